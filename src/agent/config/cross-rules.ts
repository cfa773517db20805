import { isBelow } from '../commands/distinguished-name.ts';
import type { ConfigProblem } from './config-error.ts';

/** What single values cannot show to be wrong. Looks only at settings that are good by themselves. */
export function crossProblems(good: ReadonlyMap<string, unknown>): readonly ConfigProblem[] {
  return [...emptyLists(good), ...outsideDomain(good)];
}

function emptyLists(good: ReadonlyMap<string, unknown>): readonly ConfigProblem[] {
  return ['guard.baseDns', 'directory.domainControllers']
    .filter((key) => isEmptyList(good.get(key)))
    .map((key) => ({ key, problem: 'is empty; expected at least one' }));
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function outsideDomain(good: ReadonlyMap<string, unknown>): readonly ConfigProblem[] {
  const domain = good.get('directory.domain');
  if (typeof domain !== 'string') return [];
  const root = domain
    .split('.')
    .map((label) => `DC=${label}`)
    .join(',');
  return ['guard.baseDns', 'guard.deniedBaseDns'].flatMap((key) =>
    textsOf(good.get(key))
      .filter((dn) => !isBelow(dn, root))
      .map((dn) => ({
        key,
        problem: `${JSON.stringify(dn)} is not in the domain ${domain}; expected it to end in ${root}`,
      })),
  );
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : [];
}
