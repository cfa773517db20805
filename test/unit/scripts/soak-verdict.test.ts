import { expect, test } from 'vitest';
import type { Sample } from '../../../scripts/soaking/soak.ts';
import { grown, wrongOutcomes } from '../../../scripts/soaking/verdict.ts';

const MB = 2 ** 20;

/** An hour, each minute. */
function hour(of: (minutes: number) => Partial<Sample>): readonly Sample[] {
  return Array.from({ length: 61 }, (_, minutes) => ({
    minutes,
    rss: 100 * MB,
    heap: 20 * MB,
    handles: 20,
    files: 30,
    ...of(minutes),
  }));
}

test('what fills up in the first minutes only has not grown', () => {
  const samples = hour((minutes) => ({ rss: Math.min(100, 60 + 10 * minutes) * MB }));
  expect(grown('service', samples, 2_000).problems).toEqual([]);
});

test('memory that goes up by a sixth in the hour has grown', () => {
  const samples = hour((minutes) => ({ rss: (100 + minutes / 3) * MB }));
  expect(grown('service', samples, 2_000).problems).toEqual(['memory']);
});

test('one peak in the last minutes is no growth', () => {
  const samples = hour((minutes) => ({ rss: (minutes === 58 ? 200 : 100) * MB }));
  expect(grown('agent', samples, 2_000).problems).toEqual([]);
});

test('an agent may remember the operations of its day, a service may not', () => {
  const samples = hour((minutes) => ({ heap: (20 + minutes / 6) * MB }));
  expect(grown('agent', samples, 10_240).problems).toEqual([]);
  expect(grown('agent', samples, 1_000).problems).toEqual(['heap']);
  expect(grown('service', samples, 10_240).problems).toEqual(['heap']);
});

test('handles and files that are never closed have grown', () => {
  const samples = hour((minutes) => ({ handles: 20 + minutes / 5, files: 30 + minutes / 5 }));
  expect(grown('agent', samples, 2_000).problems).toEqual(['handles', 'open files']);
});

test('passwords are counted: one too many or too few is wrong', () => {
  const tally = { 'reset applied': 10, 'reset applied again': 1, 'unlock applied': 3 };
  expect(wrongOutcomes({ tally, passwordsWritten: 12 })).toEqual([]);
  expect(wrongOutcomes({ tally, passwordsWritten: 13 })).toEqual([
    '13 passwords were written, 12 reported',
  ]);
  expect(wrongOutcomes({ tally, passwordsWritten: 11 })).toHaveLength(1);
});

test('a reset of which nothing is known may have been written, and an operation without an outcome is lost', () => {
  expect(
    wrongOutcomes({ tally: { 'reset applied': 10, 'reset unknown': 1 }, passwordsWritten: 11 }),
  ).toEqual([]);
  // One that was reset again, too, may have been written twice, and not once more.
  const unknown = { 'reset applied': 10, 'reset unknown': 1 };
  expect(wrongOutcomes({ tally: unknown, passwordsWritten: 12 })).toEqual([]);
  expect(wrongOutcomes({ tally: unknown, passwordsWritten: 13 })).toHaveLength(1);
  expect(wrongOutcomes({ tally: { 'reset without an outcome': 1 }, passwordsWritten: 0 })).toEqual([
    '1 operations have no outcome',
  ]);
  expect(wrongOutcomes({ tally: { 'unlock without an outcome': 1 }, passwordsWritten: 0 })).toEqual(
    ['1 operations have no outcome'],
  );
});

test('a soak in which most operations could not even be prepared says nothing', () => {
  const some = { 'reset applied': 60, 'unlock applied': 15, 'reset not prepared': 20 };
  expect(wrongOutcomes({ tally: some, passwordsWritten: 60 })).toEqual([]);
  const most = { ...some, 'unlock not prepared': 10 };
  expect(wrongOutcomes({ tally: most, passwordsWritten: 60 })).toEqual([
    '30 of 105 operations could not be prepared',
  ]);
});
