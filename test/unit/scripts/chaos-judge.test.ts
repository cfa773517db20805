import { expect, test } from 'vitest';
import { candidates } from '../../../scripts/chaos-run/candidates.ts';
import type { Evidence } from '../../../scripts/chaos-run/evidence.ts';
import type { CommandHistory } from '../../../scripts/chaos-run/history.ts';
import { judge } from '../../../scripts/chaos-run/judge.ts';
import { evidence, outcome, reset, written } from '../../support/chaos-evidence.ts';

function account(changes: object): Pick<Evidence, 'accounts'> {
  return { accounts: evidence().accounts.map((anna) => ({ ...anna, ...changes })) };
}

function broken(changes: Partial<Evidence>): string[] {
  return [...new Set(judge(evidence(changes)).map(({ promise }) => promise))];
}

test('a reset that was applied once and logs on breaks nothing', () => {
  expect(judge(evidence())).toEqual([]);
});

test.each([
  ['zero times', [], 3],
  ['twice', [written(150), written(160)], 5],
] as const)('a reset reported applied that was written %s is found', (_, writes, versionAfter) => {
  expect(broken({ writes, ...account({ versionAfter }) })).toEqual([
    'writes = resets reported applied + reapplied',
  ]);
});

test('a write of a reset that was reported refused is found', () => {
  expect(broken({ histories: [reset({ status: 'refused', code: 'SUPERSEDED' })] })).toEqual([
    'writes = resets reported applied + reapplied',
  ]);
});

test('a reset that was written again may be there twice, and one whose outcome is unknown once or not at all', () => {
  const again = [reset({ status: 'applied', ...outcome({ reapplied: true }) })];
  const twice = [written(150), written(160)];
  expect(broken({ histories: again, writes: twice, ...account({ versionAfter: 5 }) })).toEqual([]);
  expect(broken({ histories: again })).toEqual([]);
  const unknown = [reset({ status: 'unknown' })];
  expect(broken({ histories: unknown })).toEqual([]);
  expect(broken({ histories: unknown, writes: [], ...account({ versionAfter: 3 }) })).toEqual([]);
  expect(
    broken({ histories: unknown, writes: twice, ...account({ versionAfter: 5 }) }),
  ).toHaveLength(1);
});

test('of two resets in the same seconds an inferred one may be the other, and one that was heard not', () => {
  const rival = {
    password: 'two',
    controller: 0,
    done: 'yes' as const,
    beganAt: 125,
    endedAt: 131,
  };
  const writes = [written(130, { by: 'rival' })];
  const inferred = reset({ status: 'applied', ...outcome({ inferred: true }) }, { rival });
  expect(broken({ histories: [inferred], writes })).toEqual([]);
  expect(broken({ histories: [reset({ status: 'applied' }, { rival })], writes })).toHaveLength(1);
  expect(
    broken({ histories: [inferred], writes: [], ...account({ versionAfter: 3 }) }),
  ).toHaveLength(1);
  // Nobody had been handed the operation yet, so that the other one's write could not be taken for its own.
  const dispatches = new Map([['op-1', [{ at: 5_000 } as never]]]);
  expect(broken({ histories: [inferred], writes, dispatches })).toHaveLength(1);
});

test('a reset called superseded may have been written before somebody else did, and not without them', () => {
  const history = reset({ status: 'refused', code: 'SUPERSEDED' });
  const rival = {
    password: 'two',
    controller: 0,
    beganAt: 155,
    endedAt: 165,
    done: 'yes' as const,
  };
  const [ours, theirs] = [written(150), written(160, { by: 'rival' })];
  const histories = [{ ...history, rival }];
  expect(broken({ histories, writes: [ours, theirs], ...account({ versionAfter: 5 }) })).toEqual(
    [],
  );
  expect(broken({ histories: [history], writes: [ours] })).toHaveLength(1);

  // Before the reset was handed in: elsewhere, where nobody knew of it yet, or where it was known.
  const before = [{ ...history, preparedAt: 90 }];
  const elsewhere = [written(95, { by: 'rival', controller: 1 }), ours];
  expect(broken({ histories: before, writes: elsewhere })).toEqual([]);
  const here = [written(95, { by: 'rival' }), ours];
  expect(broken({ histories: before, writes: here, ...account({ versionAfter: 5 }) })).toContain(
    'writes = resets reported applied + reapplied',
  );
});

test('a version that moved further than the audit log says is found, but not across controllers', () => {
  expect(broken(account({ versionAfter: 5 }))).toEqual([
    'version counters agree with the audit logs',
  ]);
  const both = [written(150), written(155, { controller: 1 })];
  const again = [reset({ status: 'applied', ...outcome({ reapplied: true }) })];
  expect(broken({ histories: again, writes: both })).toEqual([]);
});

const COUNTS = 'writes = resets reported applied + reapplied';
const VERSIONS = 'version counters agree with the audit logs';

test('a write that the log lacks is missed, whatever the version counter says', () => {
  expect(broken({ writes: [] })).toEqual([COUNTS, VERSIONS]);
});

test('of a write that a kill cut off from the log, the version counter decides', () => {
  const cutOff = { writes: [], undecided: [written()] };
  expect(broken(cutOff)).toEqual([]);
  expect(broken({ ...cutOff, ...account({ versionAfter: 3 }) })).toEqual([COUNTS]);
  const refused = [reset({ status: 'refused', code: 'SUPERSEDED' })];
  expect(broken({ ...cutOff, histories: refused })).toEqual([COUNTS]);
  expect(broken({ ...cutOff, histories: refused, ...account({ versionAfter: 3 }) })).toEqual([]);
});

test('a write that may have been cut off does not excuse one that was made twice', () => {
  const undecided = [written(155)];
  expect(broken({ undecided })).toEqual([]);
  expect(broken({ undecided, ...account({ versionAfter: 5 }) })).toEqual([COUNTS]);
  const twice = [written(150), written(160)];
  expect(broken({ writes: twice, undecided, ...account({ versionAfter: 5 }) })).toEqual([COUNTS]);
  expect(broken({ undecided, ...account({ versionAfter: 6 }) })).toContain(VERSIONS);
});

test("somebody else's write that was cut off does not stand in for the agent's own", () => {
  const undecided = [written(155, { by: 'rival' })];
  expect(broken({ writes: [], undecided })).toEqual([COUNTS]);
});

test('of two controllers, where versions prove nothing, a write that was cut off may be there or not', () => {
  const undecided = [written(150, { controller: 1 })];
  expect(broken({ undecided, histories: [reset({ status: 'applied' })] })).toEqual([]);
  const two = [reset({ status: 'applied' }), reset({ status: 'applied' })];
  expect(broken({ undecided, histories: two })).toEqual([]);
  const three = [...two, reset({ status: 'applied' })];
  expect(broken({ undecided, histories: three })).toEqual([COUNTS]);
});

test('a damaged log is named, and excuses nothing', () => {
  const unreadable = ['DC1.corp.test: {"timestamp": "2026'];
  expect(broken({ unreadable })).toEqual(['the audit logs are whole']);
  expect(broken({ unreadable, writes: [] })).toContain(COUNTS);
});

test('an operation without an outcome, or one that its caller gave up, is found', () => {
  for (const history of [
    reset({ status: 'pending', final: false }),
    reset({ status: 'applied' }, { view: undefined as never, refusal: 'gave up: NO_AGENT' }),
  ]) {
    expect(broken({ histories: [history] })).toContain('every command has an outcome');
  }
});

test('an account that no password fits, and one that is locked after an unlock, are found', () => {
  expect(broken(account({ logsOnWith: -1 }))).toEqual(['the last applied password logs on']);
  const unlocked = reset({ status: 'applied', ...outcome({}) }, { lockedAt: 95 });
  expect(broken({ histories: [unlocked], ...account({ locked: true }) })).toEqual([
    'what was unlocked is unlocked',
  ]);
});

test.each([
  ['before it was handed over', 105, { beganAt: 102, endedAt: 106 }, 1],
  ['while it was being carried out', 130, { beganAt: 125, endedAt: 131 }, 0],
] as const)('a write over a change that somebody else made %s: %s', (_, at, times, found) => {
  const rival = { password: 'two', controller: 0, done: 'yes' as const, ...times };
  const changes = {
    histories: [reset({ status: 'applied' }, { rival })],
    writes: [written(at, { by: 'rival' }), written(150)],
    ...account({ versionAfter: 5 }),
  };
  expect(broken(changes)).toHaveLength(found);
});

test('an agent that is away, a gap in a trail, an alarm and a crash are found', () => {
  const agents = [
    { name: 'a', connected: false, state: 'running', brokenLinks: ['outcome 3'], outcomes: 1 },
  ];
  const ended = { lacking: ['a: outcome 4'], surprises: ['exit code 1'] };
  const found = broken({ agents, alarms: ['JOURNAL_FORKED'], ...ended });
  expect(found).toHaveLength(5);
});

test('the passwords an account may have are those that no surely written one came after', () => {
  const second = reset({ status: 'applied' }, { submittedAt: 300, endedAt: 400 });
  const twin = reset({ status: 'unknown' }, { submittedAt: 310, endedAt: 390 });
  const password = (text: string): Pick<CommandHistory, 'command'> => ({
    command: { ...second.command, password: text },
  });
  const all = [
    reset({ status: 'applied' }),
    { ...second, ...password('two') },
    { ...twin, ...password('three') },
  ];
  const names = candidates('initial', all, 1).map((candidate) => candidate.password);
  expect(names).toEqual(['two', 'three']);
});
