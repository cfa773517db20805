import type { Fault } from '../../support/errors.ts';

/** The configuration cannot be used; the message lists every problem with its cure. */
export class ConfigError extends Error implements Fault {
  override readonly name = 'ConfigError';
  readonly code = 'CONFIG_INVALID';
  readonly retryable = false;

  constructor(source: string, problems: readonly string[]) {
    super(
      [`${source}: ${problems.length} problem(s)`, ...problems.map((p) => `  - ${p}`)].join('\n'),
    );
  }
}
