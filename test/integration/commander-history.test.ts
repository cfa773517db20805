import { expect, test } from 'vitest';
import { DirectoryError, type AccountChange } from '../../src/agent/directory/directory.ts';
import { CommandRig, OPEN_GUARD } from '../support/command-rig.ts';
import { FakeDirectory } from '../support/fake-directory.ts';

/** A controller that knows the policy-hints control. */
class HistoryDirectory extends FakeDirectory {
  readonly changes: AccountChange[] = [];

  override async apply(...args: Parameters<FakeDirectory['apply']>) {
    this.changes.push(args[1]);
    const applied = await super.apply(...args);
    const [, change] = args;
    return { ...applied, historyEnforced: change.op === 'reset' && change.policyHints !== 'off' };
  }
}

test('who resets decides whether the history counts, as the guard says', async () => {
  const directory = new HistoryDirectory();
  const objectGuid = directory.add({ sam: 'anna', password: 'Old-Password-1' });
  const guard = { ...OPEN_GUARD, policyHints: { self: 'prefer', admin: 'off' } } as const;
  await using rig = await CommandRig.open({ directory, guard });
  const { outcome: own } = await rig.order({ objectGuid, claims: { by: 'self' } });
  expect(own).toMatchObject({ code: 'APPLIED', effect: { historyEnforced: true } });
  const { outcome: helped } = await rig.order({ objectGuid, claims: { by: 'admin' } });
  expect(helped).toMatchObject({ code: 'APPLIED', effect: { historyEnforced: false } });
  expect(directory.changes).toMatchObject([{ policyHints: 'prefer' }, { policyHints: 'off' }]);
});

test('a history that is required and cannot be enforced is told as a matter of configuration', async () => {
  const directory = new FakeDirectory();
  const objectGuid = directory.add({ sam: 'anna', password: 'Old-Password-1' });
  await using rig = await CommandRig.open({ directory });
  directory.failNext('apply', {
    error: new DirectoryError('DIRECTORY_CONFIG', 'dc1.corp.test does not know the control'),
  });
  const { outcome } = await rig.order({ objectGuid });
  expect(outcome).toMatchObject({ status: 'failed', code: 'DIRECTORY_CONFIG', retry: 'admin' });
});
