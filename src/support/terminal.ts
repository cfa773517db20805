import type { StopSignals } from './stop-signals.ts';

export type Environment = Readonly<Partial<Record<string, string>>>;

/** What a command line program has of the outer world; tests bring their own. */
export interface Terminal {
  readonly env: Environment;
  /** Whether standard output is a terminal that a person may want in colours. */
  readonly colours?: boolean;
  /** One line or more to standard output: what was asked for. */
  print(text: string): void;
  /** To standard error: what went wrong, and what is for people only. */
  complain(text: string): void;
  /** The code the process ends with once nothing is left to do. */
  setExitCode(code: number): void;
  /** Asks a person yes or no, on standard error; absent where nobody could answer. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  /** The signals that end a long-running command; asked for at most once. */
  stopSignals(drainMs: number): StopSignals;
}
