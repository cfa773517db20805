/** What the process ends with; documented, because service managers and scripts act on it. */
export const EXIT = {
  /** Did what was asked; for `operate`: the directory has taken the change. */
  ok: 0,
  failed: 1,
  /** `operate`: the change was refused or tried in vain, and nothing was changed. */
  refused: 2,
  /** `operate`: it is not known (yet) whether the change was made. */
  unknown: 3,
  /** The configuration or the key folder has to be corrected first; a restart does not help. */
  config: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
