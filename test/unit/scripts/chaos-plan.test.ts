import { expect, test } from 'vitest';
import { usablePeople } from '../../../scripts/chaos-run/accounts.ts';
import { makePlan, type ChaosOptions } from '../../../scripts/chaos-run/plan.ts';
import { PEOPLE } from '../../lab/people.ts';

const OPTIONS: ChaosOptions = {
  seed: 7,
  commands: 1_000,
  kills: 200,
  cuts: 500,
  stops: 8,
  controllers: 2,
  agents: 2,
  nodes: 2,
  accounts: usablePeople(PEOPLE),
};

test('the same options give the same plan, and another seed another one', () => {
  expect(makePlan(OPTIONS)).toEqual(makePlan(OPTIONS));
  expect(makePlan({ ...OPTIONS, seed: 8 }).faults).not.toEqual(makePlan(OPTIONS).faults);
});

test('a plan has as many commands, kills, cuts and stops as were asked for', () => {
  const { commands, faults } = makePlan(OPTIONS);
  const count = (wanted: string): number => faults.filter(({ kind }) => kind === wanted).length;
  expect(commands).toHaveLength(1_000);
  expect([count('kill'), count('cut'), count('stop')]).toEqual([200, 500, 8]);
});

test('every fault hangs on a command there is, so that none is left out', () => {
  const { commands, faults } = makePlan(OPTIONS);
  for (const { after } of faults) expect(commands[after]?.number).toBe(after);
});

test('both programs are killed, and every way between any two is cut in each way there is', () => {
  const { faults } = makePlan(OPTIONS);
  const victims = faults.flatMap((fault) => (fault.kind === 'kill' ? [fault.victim] : []));
  expect(new Set(victims)).toEqual(new Set(['service-0', 'service-1', 'agent-0', 'agent-1']));
  const cuts = faults.flatMap((fault) => (fault.kind === 'cut' ? [fault] : []));
  expect(new Set(cuts.map(({ place }) => place))).toEqual(
    new Set(['link', 'api', 'ldaps-0', 'ldaps-1']),
  );
  expect(new Set(cuts.map(({ fault }) => fault.kind))).toEqual(
    new Set(['cut', 'cut-after', 'half-close']),
  );
});

test('no two resets of a run, a rival included, have the same password', () => {
  const passwords = makePlan(OPTIONS).commands.flatMap(({ op, password, rival }) => [
    ...(op === 'reset' ? [password] : []),
    ...(rival === undefined ? [] : [rival.password]),
  ]);
  expect(new Set(passwords).size).toBe(passwords.length);
});

test('only accounts that may be reset are worked on', () => {
  const used = new Set(makePlan(OPTIONS).commands.map(({ sam }) => sam));
  for (const refused of ['disabled', 'expired', 'smartcard', 'boss', 'svc-web', 'olaf']) {
    expect(used).not.toContain(refused);
  }
  expect(used).toContain('mustchange');
});
