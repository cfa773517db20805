import { ConfigError } from '../../support/config-error.ts';
import { effectiveSettings, type ConfigSource } from '../config/load-config.ts';
import { SETTINGS } from '../config/settings.ts';

const KEYS: ReadonlySet<string> = new Set(SETTINGS.map(({ key }) => key));

export function isKnownKey(key: string): boolean {
  return KEYS.has(key);
}

/** Settings that name accounts: only how many. */
const NAMES_ACCOUNTS: ReadonlySet<string> = new Set([
  'directory.bind.user',
  'guard.protectedAccounts',
  'guard.protectedGroups',
  'guard.allowedGroups',
  'guard.peers',
]);

/**
 * Every known setting with its source; of a configuration that cannot be used only which settings are
 * wrong, because what is wrong may be a secret in the wrong place. Never rejects but for a bug.
 */
export async function redactSettings(
  source: ConfigSource,
  withAccounts: boolean,
): Promise<unknown> {
  try {
    const settings = await effectiveSettings(source);
    const shown = settings.map(({ key, value = null, ...origin }) => {
      const hide = !withAccounts && NAMES_ACCOUNTS.has(key);
      return [key, { value: hide ? countOf(value) : value, ...origin }];
    });
    return { ok: true, settings: Object.fromEntries(shown) as unknown };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const wrong = error.problems.map(({ key }) => {
      const known = key.replace(/ \(PASSBACK_\w+\)$/, '');
      return isKnownKey(known) ? known : 'a setting that there is not, or the file itself';
    });
    return { ok: false, wrong: [...new Set(wrong)] };
  }
}

function countOf(value: unknown): string {
  return Array.isArray(value) ? `[${value.length} given]` : '[given]';
}
