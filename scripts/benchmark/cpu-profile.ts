import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Session, type Profiler } from 'node:inspector/promises';

/** What the time of the main thread went into, largest first; shares of all of it, idle left out. */
export interface CpuProfile {
  readonly parts: readonly { readonly what: string; readonly share: number }[];
  /** Of the whole time: this thread waited. On one core, other threads of the process worked then. */
  readonly idle: number;
}

/** Whose work a frame is, by the address of its code: the first one that fits. */
const OWNERS: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/\/node_modules\/zod\//, 'checking shapes (zod)'],
  [/\/node_modules\/jose\/|\/src\/protocol\/|^node:internal\/crypto/, 'cryptography (jose)'],
  [/\/agent\/commands\/journal|^node:(internal\/)?fs/, 'journal'],
  [
    /\/node_modules\/ws\/|\/agent\/link\/|^node:(_tls|net|internal\/(tls|stream))/,
    'link (ws, TLS)',
  ],
  [
    /\/node_modules\/(winston|logform|readable-stream|triple-beam)|\/winston-logger/,
    'log (winston)',
  ],
  [/\/agent\/commands\//, 'verifying, guarding and applying commands'],
  [/\/src\/|\/test\//, 'everything else of the agent'],
];
const COLLECTOR = 'collecting garbage';
const RUNTIME = 'Node.js itself';

/** Begins to watch this process; what it answers ends that, and leaves the whole profile in `file`. */
export async function startProfile(): Promise<(file: string) => Promise<CpuProfile>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async (file) => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(profile));
    return summary(profile);
  };
}

function summary({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): CpuProfile {
  const owners = ownersOf(nodes);
  const times = new Map<string, number>();
  let [busy, idle] = [0, 0];
  for (const [index, id] of samples.entries()) {
    const us = timeDeltas[index] ?? 0;
    const what = owners.get(id);
    if (what === undefined) {
      idle += us;
      continue;
    }
    busy += us;
    times.set(what, (times.get(what) ?? 0) + us);
  }
  const parts = [...times].map(([what, us]) => ({ what, share: us / busy }));
  return {
    parts: parts.sort((one, other) => other.share - one.share),
    idle: idle / (idle + busy),
  };
}

/** For each place in a call tree on whose behalf it runs; nothing for an idle one. */
function ownersOf(nodes: readonly Profiler.ProfileNode[]): ReadonlyMap<number, string> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const owners = new Map<number, string>();
  // Parents come before their children, so what the runtime does for somebody is theirs.
  const visit = (id: number, caller: string | undefined): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    const { functionName, url } = node.callFrame;
    const own = OWNERS.find(([pattern]) => pattern.test(url))?.[1];
    const isRuntime = url === '' || url.startsWith('node:');
    const what = isRuntime ? (caller ?? own) : own;
    if (functionName === '(garbage collector)') owners.set(id, COLLECTOR);
    else if (functionName !== '(idle)') owners.set(id, what ?? RUNTIME);
    for (const child of node.children ?? []) visit(child, what);
  };
  const [root] = nodes;
  if (root !== undefined) visit(root.id, undefined);
  return owners;
}
