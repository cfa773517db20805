import type { Terminal as AnyTerminal } from '../../support/terminal.ts';

/** What the service's commands have of the outer world besides. */
export interface Terminal extends AnyTerminal {
  /** Whether a person types at standard input. */
  readonly isInteractive: boolean;
  /** Everything on standard input, until it ends. */
  readInput(): Promise<string>;
  /** One line, typed without being shown. */
  askHidden(prompt: string): Promise<string>;
}
