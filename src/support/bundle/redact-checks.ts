import { countChecks, type CheckResult } from '../checks.ts';

export interface CheckAllowance {
  /** Whether a key is one of a setting, or the path of the configuration. */
  readonly isKnownKey: (key: string) => boolean;
  readonly withAccounts: boolean;
}

/**
 * What a doctor found, without what stays on the machine: its commands, which name accounts and follow
 * from the rest, and what is wrong with a setting, which may be a secret in the wrong place.
 */
export function redactChecks(
  checks: readonly CheckResult[],
  { isKnownKey, withAccounts }: CheckAllowance,
): unknown {
  const kept = checks.map(({ commands: _commands, local, ...rest }) => ({
    ...(rest.id === 'config.settings' && rest.standing === 'fail' ? settingAlone(rest) : rest),
    ...(local !== undefined && (withAccounts ? { local } : { omitted: Object.keys(local) })),
  }));
  return { counts: countChecks(checks), checks: kept };

  function settingAlone({ id, standing, about = '' }: CheckResult): object {
    // `key (VARIABLE)` where it is the environment that is wrong.
    const key = about.replace(/ \([A-Z_]+\)$/, '');
    return { id, standing, about: isKnownKey(key) ? key : '[no setting]' };
  }
}
