import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The version of this package, from its package.json, wherever it is installed. */
export function packageVersion(): string {
  let folder = import.meta.dirname;
  while (folder !== dirname(folder)) {
    const version = versionIn(join(folder, 'package.json'));
    if (version !== undefined) return version;
    folder = dirname(folder);
  }
  return '0.0.0';
}

function versionIn(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined; // no package.json here: the one above is asked
  }
  const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown };
  return name === 'passback' && typeof version === 'string' ? version : undefined;
}
