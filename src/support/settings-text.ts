/** One setting as it counts, and why. */
export interface ShownSetting {
  readonly key: string;
  /** Undefined: not set, and there is no default. */
  readonly value: unknown;
  readonly source: 'default' | 'file' | 'environment';
  readonly variable?: string;
}

/** One line for each setting: `key: value   (source)`. */
export function settingsText(settings: readonly ShownSetting[]): string {
  return settings
    .map(({ key, value, source, variable }) => {
      const shown = value === undefined ? 'none' : JSON.stringify(value);
      const origin = source === 'environment' ? `environment, ${variable ?? ''}` : source;
      return `${key}: ${shown}   (${origin})`;
    })
    .join('\n');
}

/** The same for programs, with the file that was read. */
export function settingsJson(settings: readonly ShownSetting[], file: string | undefined): string {
  const content = { file: file ?? null, settings: settingsByKey(settings) };
  return JSON.stringify(content, undefined, 2);
}

/** The value and source of each setting. */
export function settingsByKey(
  settings: readonly ShownSetting[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    settings.map(({ key, value = null, ...origin }) => [key, { value, ...origin }]),
  );
}

/** What `config check` says of a good configuration; `notes`: what a file of today's version says otherwise. */
export function checkedText(notes: readonly string[], next: string): string {
  const older = [
    'The file is of an older version and is read in the way of this one. Written anew it would differ so:',
    ...notes.map((note) => `  ${note}`),
  ];
  return ['The configuration is good.', ...(notes.length > 0 ? older : []), next].join('\n');
}

/** The same for programs. */
export function checkedJson(notes: readonly string[]): {
  readonly ok: true;
  readonly notes?: readonly string[];
} {
  return { ok: true, ...(notes.length > 0 && { notes }) };
}
