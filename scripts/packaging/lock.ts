import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What package-lock.json says about one installed package. */
export interface LockEntry {
  readonly version: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Path below the root (`node_modules/a`) -> entry. */
export type Lock = Readonly<Record<string, LockEntry>>;

/** Reads the lock file of the checkout. */
export async function readLock(root: string): Promise<Lock> {
  const text = await readFile(join(root, 'package-lock.json'), 'utf8');
  return (JSON.parse(text) as { readonly packages: Lock }).packages;
}

/** The entry of a package that stands at the top of node_modules. */
export function entryOf(lock: Lock, name: string): LockEntry {
  const entry = lock[`node_modules/${name}`];
  if (entry === undefined) throw new Error(`package-lock.json has no ${name}`);
  return entry;
}

/** Names of packages that nobody needs but these direct dependencies and what they bring along. */
export function onlyFor(direct: readonly string[], lock: Lock): ReadonlySet<string> {
  const all = Object.keys({ ...lock['']?.dependencies, ...lock['']?.optionalDependencies });
  const others = reachable(
    all.filter((name) => !direct.includes(name)),
    lock,
  );
  return new Set([...reachable(direct, lock)].filter((name) => !others.has(name)));
}

function reachable(names: readonly string[], lock: Lock): ReadonlySet<string> {
  const seen = new Set<string>();
  const left = [...names];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const [path, entry] of Object.entries(lock)) {
      if (packageOf(path) !== name) continue;
      const { dependencies, optionalDependencies } = entry;
      left.push(...Object.keys({ ...dependencies, ...optionalDependencies }));
    }
  }
  return seen;
}

/** The package that a path inside node_modules belongs to; undefined for sources of our own. */
export function packageOf(path: string): string | undefined {
  const [, name] = /.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return name;
}

/** The same with the folders that lead there, as the lock file's keys have it. */
export function lockKeyOf(path: string): string | undefined {
  const [key] = /.*(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? [];
  return key;
}
