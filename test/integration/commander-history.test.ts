import { expect, test } from 'vitest';
import { DirectoryError, type AccountChange } from '../../src/agent/directory/directory.ts';
import { CommandRig, OPEN_GUARD, type Order } from '../support/command-rig.ts';
import { FakeDirectory } from '../support/fake-directory.ts';

const PREFERRED = { ...OPEN_GUARD, policyHints: { self: 'prefer', admin: 'off' } } as const;
const REQUIRED = { ...OPEN_GUARD, policyHints: { self: 'require', admin: 'require' } } as const;

/** Says what it was asked to write. */
class HistoryDirectory extends FakeDirectory {
  readonly changes: AccountChange[] = [];

  override apply(...args: Parameters<FakeDirectory['apply']>) {
    this.changes.push(args[1]);
    return super.apply(...args);
  }
}

function anna(directory: FakeDirectory, policyHints: boolean): string {
  return directory.add({ sam: 'anna', password: 'Old-Password-1', facts: { policyHints } });
}

test('who resets decides whether the history counts, as the guard says', async () => {
  const directory = new HistoryDirectory();
  const objectGuid = anna(directory, true);
  await using rig = await CommandRig.open({ directory, guard: PREFERRED });
  const { outcome: own } = await rig.order({ objectGuid, claims: { by: 'self' } });
  expect(own).toMatchObject({ code: 'APPLIED', effect: { historyEnforced: true } });
  const { outcome: helped } = await rig.order({ objectGuid, claims: { by: 'admin' } });
  expect(helped).toMatchObject({ code: 'APPLIED', effect: { historyEnforced: false } });
  expect(directory.changes).toMatchObject([{ policyHints: 'prefer' }, { policyHints: 'off' }]);
});

test('a history that is required and cannot be enforced is told as a matter of configuration', async () => {
  const directory = new FakeDirectory();
  const objectGuid = anna(directory, false);
  await using rig = await CommandRig.open({ directory, guard: REQUIRED });
  const { outcome } = await rig.order({ objectGuid });
  expect(outcome).toMatchObject({ status: 'failed', code: 'DIRECTORY_CONFIG', retry: 'admin' });
});

const CHANGE: Partial<Order> = { op: 'change', oldPassword: 'Old-Password-1' };

test.each<[string, Partial<Order>, boolean, boolean]>([
  ['a reset that the control went with', { claims: { by: 'self' } }, true, true],
  ['a reset without it', { claims: { by: 'admin' } }, true, false],
  ['a reset where nobody knows it', { claims: { by: 'self' } }, false, false],
  ['a change', CHANGE, false, true],
])('%s whose answer was lost says the same of the history', async (_what, order, knows, held) => {
  const directory = new FakeDirectory();
  const objectGuid = anna(directory, knows);
  await using rig = await CommandRig.open({ directory, guard: PREFERRED });
  const lost = new DirectoryError('INDETERMINATE', 'cut', { controller: 'dc1.corp.test' });
  directory.failNext('apply', { error: lost, applied: true });
  const { outcome } = await rig.order({ objectGuid, ...order });
  expect(outcome).toMatchObject({
    code: 'APPLIED',
    inferred: true,
    effect: { historyEnforced: held },
  });
});

test('a dry run says when a history that is required cannot be enforced', async () => {
  const directory = new FakeDirectory();
  const objectGuid = anna(directory, false);
  await using rig = await CommandRig.open({ directory, guard: { ...REQUIRED, dryRun: true } });
  expect((await rig.order({ objectGuid })).outcome.code).toBe('DIRECTORY_CONFIG');
  directory.alter(objectGuid, { policyHints: true });
  expect((await rig.order({ objectGuid })).outcome.code).toBe('DRY_RUN');
});
