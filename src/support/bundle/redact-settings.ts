import { ConfigError } from '../config-error.ts';
import { settingsByKey, type ShownSetting } from '../settings-text.ts';

export interface RedactOptions {
  readonly isKnownKey: (key: string) => boolean;
  /** Settings of which only is said how much was given. */
  readonly hides: (key: string) => boolean;
}

/**
 * Every known setting with its source; of a configuration that cannot be used only which settings are
 * wrong, because what is wrong may be a secret in the wrong place. Never rejects but for a bug.
 */
export async function redactSettings(
  read: () => Promise<readonly ShownSetting[]>,
  { isKnownKey, hides }: RedactOptions,
): Promise<unknown> {
  try {
    const settings = (await read()).map((setting) =>
      hides(setting.key) ? { ...setting, value: countOf(setting.value) } : setting,
    );
    return { ok: true, settings: settingsByKey(settings) };
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
