import type { StopSignals } from '../../support/stop-signals.ts';
import type { Environment } from '../config/load-config.ts';
import type { ExitCode } from './exit-codes.ts';

/** What a command line program has of the outer world; tests bring their own. */
export interface Terminal {
  readonly env: Environment;
  /** Whether a person types at standard input. */
  readonly isInteractive: boolean;
  /** One line or more to standard output: what was asked for. */
  print(text: string): void;
  /** To standard error: what went wrong, and what is for people only. */
  complain(text: string): void;
  /** Everything on standard input, until it ends. */
  readInput(): Promise<string>;
  /** One line, typed without being shown. */
  askHidden(prompt: string): Promise<string>;
  /** The code the process ends with once nothing is left to do. */
  setExitCode(code: ExitCode): void;
  /** The signals that end a long-running command; asked for at most once. */
  stopSignals(drainMs: number): StopSignals;
}
