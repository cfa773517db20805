import { expect, test } from 'vitest';
import { chaosTable, unknownStories } from '../../../scripts/chaos-run/table.ts';
import type { DispatchRecord } from '../../../src/cloud/store/records.ts';
import { evidence, outcome, reset, written } from '../../support/chaos-evidence.ts';

/** What the table says of this, by the names of its rows. */
function rows(changes: Parameters<typeof evidence>[0]): Record<string, string> {
  const lines = chaosTable([evidence(changes)]).split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', value = ''] = line.split('|').map((cell) => cell.trim());
      return [name, value];
    }),
  );
}

test('what broke is counted as it broke and not as it was planned', () => {
  const inflicted = { kills: 7, serviceKills: 2, cuts: 11, stalls: 3 };
  expect(rows({ inflicted })).toMatchObject({
    'kills with -9 (of the service)': '7 (2)',
    'connections cut; stalled or slowed': '11; 3',
  });
});

test('writes are those of the logs, and resets those that were reported applied', () => {
  const applied = reset({ status: 'applied', ...outcome({ inferred: true }) });
  const refused = reset({ status: 'refused', code: 'SUPERSEDED', ...outcome({ inferred: true }) });
  const unlock = reset({ status: 'applied' });
  const histories = [
    applied,
    refused,
    { ...unlock, command: { ...unlock.command, op: 'unlock' as const } },
  ];
  const writes = [written(), written(151), written(152, { by: 'rival' })];
  expect(rows({ histories, writes })).toMatchObject({
    'applied (inferred, reapplied)': '2 (1, 0)',
    'refused or failed; never handed to an agent': '1; 0',
    'passwords written; resets reported applied': '2; 1',
    'resets by somebody else in the middle': '1',
  });
});

test('what the logs do not tell has lines of its own', () => {
  const lacking = { provenByDatabase: 2, undecided: [written()], unreadable: ['DC1: {"'] };
  expect(rows(lacking)).toMatchObject({
    'writes without a log line: proven by the database; undecided': '2; 1',
    'pieces of the audit logs that cannot be read': '1',
  });
});

test('a time to the outcome is the one of the outcome, however late its caller asked for it', () => {
  const finished = (ms: number): string => new Date(110 + ms).toISOString();
  const histories = [500, 4_000, 20_000].map((ms) =>
    reset({ status: 'applied', finishedAt: finished(ms) }, { endedAt: 900_000 }),
  );
  expect(rows({ histories })['submit to outcome, median; longest']).toBe('4.0 s; 20.0 s');
});

test('an unknown outcome has a story', () => {
  const histories = [reset({ status: 'unknown', final: true })];
  const handed = { at: 120, lostAt: 150, agent: 'agent-1', controller: 'DC1.corp.test' };
  const dispatches = new Map([['op-1', [handed as DispatchRecord]]]); // what the story has of it
  expect(unknownStories(evidence({ histories, dispatches }))).toEqual([
    '#0 reset anna op-1 unknown: handed to agent-1 (DC1.corp.test) lost after 30 ms; 1 writes in its time',
  ]);
  expect(unknownStories(evidence())).toEqual([]);
});
