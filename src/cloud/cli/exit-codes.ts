import { EXIT as PROGRAM_EXIT } from '../../support/command-line.ts';

/** What the process ends with: what any program of ours does, and the answers of `operate`. */
export const EXIT = {
  ...PROGRAM_EXIT,
  /** `operate`: the change was refused or tried in vain, and nothing was changed. */
  refused: 2,
  /** `status`: the directory is not up and running; what is the case was printed. */
  notUp: 2,
  /** `operate`: it is not known (yet) whether the change was made. */
  unknown: 3,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
