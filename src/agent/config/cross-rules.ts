import type { ConfigProblem } from '../../support/config-error.ts';
import { isBelow, mayBeBelow } from '../commands/guard/distinguished-name.ts';
import { isPrivileged } from '../commands/guard/guard.ts';

/** Settings that are good by themselves, by key. */
type Good = ReadonlyMap<string, unknown>;

/** What single values cannot show to be wrong. Looks only at settings that are good by themselves. */
export function crossProblems(good: Good): readonly ConfigProblem[] {
  return [
    ...twoSpellings(good),
    ...emptyLists(good),
    ...uselessSite(good),
    ...outsideDomain(good),
    ...deniedWhole(good),
    ...contradictoryGroups(good),
    ...breakerOrder(good),
  ];
}

function twoSpellings(good: Good): readonly ConfigProblem[] {
  if (typeof good.get('service.url') !== 'string') return [];
  if (!Array.isArray(good.get('service.urls'))) return [];
  return [{ key: 'service.urls', problem: 'is another way to say service.url: leave one out' }];
}

function emptyLists(good: Good): readonly ConfigProblem[] {
  return ['service.urls', 'guard.baseDns', 'directory.domainControllers']
    .filter((key) => isEmptyList(good.get(key)))
    .map((key) => ({ key, problem: 'is empty; expected at least one' }));
}

function uselessSite(good: Good): readonly ConfigProblem[] {
  if (typeof good.get('directory.site') !== 'string') return [];
  if (!Array.isArray(good.get('directory.domainControllers'))) return [];
  const problem = 'only orders what DNS finds; leave it or directory.domainControllers out';
  return [{ key: 'directory.site', problem }];
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function outsideDomain(good: Good): readonly ConfigProblem[] {
  const domain = good.get('directory.domain');
  if (typeof domain !== 'string') return [];
  const root = domain
    .split('.')
    .map((label) => `DC=${label}`)
    .join(',');
  return ['guard.baseDns', 'guard.deniedBaseDns'].flatMap((key) =>
    textsOf(good, key)
      .filter((dn) => !isBelow(dn, root))
      .map((dn) => ({
        key,
        problem: `${JSON.stringify(dn)} is not in the domain ${domain}; expected it to end in ${root}`,
      })),
  );
}

/** An allowed unit inside a denied one allows nothing, which nobody means. */
function deniedWhole(good: Good): readonly ConfigProblem[] {
  return textsOf(good, 'guard.deniedBaseDns').flatMap((denied) =>
    textsOf(good, 'guard.baseDns')
      .filter((base) => mayBeBelow(base, denied))
      .map((base) => ({
        key: 'guard.deniedBaseDns',
        problem: `${JSON.stringify(denied)} takes away all of ${JSON.stringify(base)} in guard.baseDns; leave one of them out`,
      })),
  );
}

function contradictoryGroups(good: Good): readonly ConfigProblem[] {
  const barred = textsOf(good, 'guard.protectedGroups');
  return textsOf(good, 'guard.allowedGroups').flatMap((sid) => {
    const why = isPrivileged(sid)
      ? 'is a privileged group, whose members are always protected'
      : barred.includes(sid)
        ? 'is in guard.protectedGroups, too'
        : undefined;
    return why === undefined ? [] : [{ key: 'guard.allowedGroups', problem: `${sid} ${why}` }];
  });
}

/** One actor who goes wild must not take everybody else along. */
function breakerOrder(good: Good): readonly ConfigProblem[] {
  const [perActor, overall] = [
    good.get('guard.breaker.perActor'),
    good.get('guard.breaker.overall'),
  ];
  if (typeof perActor !== 'number' || typeof overall !== 'number' || perActor < overall) return [];
  return [
    {
      key: 'guard.breaker.perActor',
      problem: `expected less than guard.breaker.overall (${overall}), so that one actor is stopped before everybody is; found ${perActor}`,
    },
  ];
}

function textsOf(good: Good, key: string): readonly string[] {
  const value = good.get(key);
  return Array.isArray(value)
    ? value.filter((item): item is string => typeof item === 'string')
    : [];
}
