import type { ConfigProblem } from '../../support/config-error.ts';
import type { Environment } from '../../support/terminal.ts';
import { isTree, type Tree } from './document.ts';
import { FORMATS } from './formats.ts';
import { nearest } from './nearest.ts';
import { environmentName, SETTINGS } from './settings.ts';

export interface Sifted {
  /** Known settings that are given, by key. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly problems: readonly ConfigProblem[];
}

const KEYS = SETTINGS.map(({ key }) => key);
const GROUPS = new Set(
  KEYS.flatMap((key) => key.split('.').map((_, i, parts) => parts.slice(0, i).join('.'))),
);

/**
 * Parts what a file says into known settings and problems. A setting without a value (`key:`)
 * counts as not given. Values of unknown settings are never shown.
 */
export function sift(tree: Tree, prefix = ''): Sifted {
  const values = new Map<string, unknown>();
  const problems: ConfigProblem[] = [];
  for (const [name, value] of Object.entries(tree)) {
    const key = `${prefix}${name}`;
    if (value === null) continue;
    if (KEYS.includes(key) && (prefix !== '' || !name.includes('.'))) {
      if (isTree(value)) problems.push({ key, problem: mappingProblem(key) });
      else values.set(key, value);
    } else if (!GROUPS.has(key)) {
      problems.push({ key, problem: unknownKey(key, name) });
    } else if (isTree(value)) {
      const inner = sift(value, `${key}.`);
      inner.values.forEach((item, itemKey) => values.set(itemKey, item));
      problems.push(...inner.problems);
    } else {
      problems.push({ key, problem: `expected settings below it (${membersOf(key)})` });
    }
  }
  return { values, problems };
}

function mappingProblem(key: string): string {
  const setting = SETTINGS.find((candidate) => candidate.key === key);
  return `expected ${FORMATS[setting?.format ?? 'text'].expected}, found a mapping`;
}

function membersOf(group: string): string {
  const inner = KEYS.filter((key) => key.startsWith(`${group}.`));
  return [...new Set(inner.map((key) => key.slice(group.length + 1).split('.')[0]))].join(', ');
}

function unknownKey(key: string, name: string): string {
  if (KEYS.includes(name)) {
    return `write it as nested settings: ${name.split('.').join(': { ')}: …${' }'.repeat(name.split('.').length - 1)}`;
  }
  if (/^password$|secret/i.test(name)) {
    const file = key.startsWith('service.')
      ? 'service.proxy.credentialsFile'
      : 'directory.bind.passwordFile';
    return `a secret is never a setting: write it to a file and name that file in ${file}`;
  }
  const meant = nearest(key, [...KEYS, ...GROUPS]) ?? elsewhere(name);
  return `there is no such setting${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** A setting of the same name in another place. */
function elsewhere(name: string): string | undefined {
  const lastParts = KEYS.map((key) => key.slice(key.lastIndexOf('.') + 1));
  const last = nearest(name, lastParts);
  return last === undefined ? undefined : KEYS[lastParts.indexOf(last)];
}

/**
 * The variables that name a setting and are not empty, and what is wrong with those that nearly
 * do. Variables that look like nothing of ours are somebody else's.
 */
export function siftEnvironment(env: Environment): {
  readonly variables: Readonly<Record<string, string>>;
  readonly problems: readonly ConfigProblem[];
} {
  const names = KEYS.map(environmentName);
  const variables: Record<string, string> = {};
  const problems: ConfigProblem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value.trim() === '' || !name.startsWith('PASSBACK_')) continue;
    if (names.includes(name)) {
      variables[name] = value;
      continue;
    }
    const meant = nearest(name, names);
    if (meant !== undefined) {
      problems.push({ key: name, problem: `there is no such variable; did you mean ${meant}?` });
    }
  }
  return { variables, problems };
}
