import type { CommandHistory } from './history.ts';

/** A password that an account may have at the end, by what everybody was told. */
export interface Candidate {
  readonly password: string;
  readonly from: number;
  /** Infinite when it may still have been written after the run. */
  readonly until: number;
  /** Whether it was surely written, so that what came before is over. */
  readonly certain: boolean;
}

/** How long what one controller wrote may be unknown to the other. */
export const REPLICATION_MS = 30_000;

/**
 * The passwords that an account may have after the run, the likeliest first: those that no surely
 * written one came after. With two controllers, what is written on both within the time replication
 * takes is a race that the directory decides.
 */
export function candidates(
  initial: string,
  histories: readonly CommandHistory[],
  controllers: number,
): readonly Candidate[] {
  const writers = [
    { password: initial, from: -Infinity, until: -Infinity, certain: true },
    ...histories.flatMap((history) => [...ownWriter(history), ...rivalWriter(history)]),
  ];
  const slack = controllers > 1 ? REPLICATION_MS : 0;
  return writers
    .filter(
      (writer) => !writers.some(({ certain, from }) => certain && from > writer.until + slack),
    )
    .sort((a, b) => Number(b.certain) - Number(a.certain) || b.from - a.from);
}

function ownWriter({ command, submittedAt, endedAt, view }: CommandHistory): Candidate[] {
  const { op, password } = command;
  if (op !== 'reset' || submittedAt === undefined) return [];
  if (view?.status === 'applied') {
    return [{ password, from: submittedAt, until: endedAt ?? Infinity, certain: true }];
  }
  const mayBe = view === undefined || view.status === 'unknown' || !view.final;
  return mayBe ? [{ password, from: submittedAt, until: Infinity, certain: false }] : [];
}

function rivalWriter({ rival }: CommandHistory): Candidate[] {
  if (rival === undefined || rival.done === 'no') return [];
  const { password, beganAt, endedAt, done } = rival;
  return [{ password, from: beganAt, until: endedAt ?? Infinity, certain: done === 'yes' }];
}
