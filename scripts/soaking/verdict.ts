import { spread } from '../benchmark/statistics.ts';
import type { Program, Sample, Soak } from './soak.ts';

/** The first minutes fill caches and pools; both spans are as long. */
const FIRST_MINUTES = 5;
/** What memory may be above the first minutes: an allocator keeps what it has had. */
const GROWTH = 1.1;
/** The agent remembers the operations of a day: which there were, and where in its journal they are. */
const REMEMBERED_BYTES = 1_024;
/** Sockets of the moment. */
const SPARE_HANDLES = 8;
/** Pauses, lost links and controllers that are away keep some from being begun; a soak of none says nothing. */
const NOT_PREPARED = 0.25;

/** How a program was after the first minutes, and in the last ones: medians. */
export type Stretch = Omit<Sample, 'minutes'>;

export interface Grown {
  readonly program: Program;
  readonly first: Stretch;
  readonly last: Stretch;
  /** What went up and did not come down; empty when nothing did. */
  readonly problems: readonly string[];
}

/** Compares the minutes after the first ones with the last ones. Pure. */
export function grown(program: Program, samples: readonly Sample[], operations: number): Grown {
  const end = samples.at(-1)?.minutes ?? 0;
  const span = Math.min(FIRST_MINUTES, end / 3);
  const between = (from: number, to: number): Stretch =>
    medians(samples.filter(({ minutes }) => minutes >= from && minutes <= to));
  const [first, last] = [between(span, 2 * span), between(end - span, end)];
  const remembered = program === 'agent' ? operations * REMEMBERED_BYTES : 0;
  const problems = [
    ...(last.rss > first.rss * GROWTH ? ['memory'] : []),
    ...(last.heap > first.heap * GROWTH + remembered ? ['heap'] : []),
    ...(last.handles > first.handles + SPARE_HANDLES ? ['handles'] : []),
    ...(last.files > first.files + SPARE_HANDLES ? ['open files'] : []),
  ];
  return { program, first, last, problems };
}

/**
 * What is wrong with how the operations ended: too few were begun, some have no outcome, or there are
 * other passwords in the directory than were reported. Pure.
 */
export function wrongOutcomes({
  tally,
  passwordsWritten,
}: Pick<Soak, 'tally' | 'passwordsWritten'>): readonly string[] {
  const count = (what: string): number => tally[what] ?? 0;
  const reported = count('reset applied') + 2 * count('reset applied again');
  const unknown = count('reset unknown');
  const all = Object.values(tally).reduce((sum, some) => sum + some, 0);
  const notPrepared = count('reset not prepared') + count('unlock not prepared');
  const lost = count('reset without an outcome') + count('unlock without an outcome');
  return [
    ...(notPrepared > all * NOT_PREPARED
      ? [`${notPrepared} of ${all} operations could not be prepared`]
      : []),
    ...(lost > 0 ? [`${lost} operations have no outcome`] : []),
    ...(passwordsWritten < reported || passwordsWritten > reported + 2 * unknown
      ? [`${passwordsWritten} passwords were written, ${reported} reported`]
      : []),
  ];
}

function medians(samples: readonly Sample[]): Stretch {
  const median = (of: (sample: Sample) => number): number => spread(samples.map(of)).median;
  return {
    rss: median(({ rss }) => rss),
    heap: median(({ heap }) => heap),
    handles: median(({ handles }) => handles),
    files: median(({ files }) => files),
  };
}
