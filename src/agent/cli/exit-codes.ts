import { EXIT_BAD_CONFIG } from '../config/config-error.ts';

/** What the process ends with; documented, because service managers and scripts act on it. */
export const EXIT = {
  /** Did what was asked, or stopped after finishing what had begun. */
  ok: 0,
  /** Failed, or stopped with work dropped; a restart may help. */
  failed: 1,
  /** The configuration has to be corrected first; a restart does not help. */
  config: EXIT_BAD_CONFIG,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
