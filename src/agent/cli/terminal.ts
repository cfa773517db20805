import type { Environment } from '../config/sift.ts';
import type { StopSignals } from '../../support/stop-signals.ts';
import type { ExitCode } from './exit-codes.ts';

/** What a command line program has of the outer world; tests bring their own. */
export interface Terminal {
  readonly env: Environment;
  /** One line or more to standard output: what was asked for. */
  print(text: string): void;
  /** To standard error: what went wrong. */
  complain(text: string): void;
  /** The code the process ends with once nothing is left to do. */
  setExitCode(code: ExitCode): void;
  /** The signals that end a long-running command; asked for at most once. */
  stopSignals(drainMs: number): StopSignals;
}
