import type { RunnerOf } from '../store/nodes.ts';

export interface Decision {
  readonly runner: string;
  /** What goes to it because its own node has ended. */
  readonly orphans: readonly string[];
}

/**
 * Who runs the operations of an account: all of them one node, so that they come one after the other.
 * The one that does already, if it lives; else whoever asks.
 */
export function whoRuns(
  own: string,
  unfinished: readonly Pick<RunnerOf, 'id' | 'runner'>[],
): Decision {
  const runner = unfinished.find((each) => each.runner !== undefined)?.runner ?? own;
  const orphans = unfinished.filter((each) => each.runner === undefined).map(({ id }) => id);
  return { runner, orphans };
}
