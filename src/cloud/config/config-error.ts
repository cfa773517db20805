import type { Fault } from '../../support/errors.ts';

export interface ConfigProblem {
  /** The setting, or the file. */
  readonly key: string;
  /** What is wrong, and what is expected. */
  readonly problem: string;
}

/** The configuration cannot be used; lists everything that is wrong with it at once. */
export class ConfigError extends Error implements Fault {
  override readonly name = 'ConfigError';
  readonly code = 'CONFIG_INVALID';
  readonly retryable = false;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ key, problem }) => `${key}: ${problem}`).join('\n'));
    this.problems = problems;
  }
}
