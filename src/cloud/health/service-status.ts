import { z } from 'zod';
import { Timestamp, timestamp } from '../../protocol/shapes.ts';
import { packageVersion } from '../../support/version.ts';
import type { SessionState } from '../link/live-sessions.ts';
import { CONNECTIVITY, directoryStatus, type DirectoryStatus } from '../writeback/connectivity.ts';
import type { Core } from '../writeback/core.ts';
import { isPaused } from '../writeback/pause.ts';
import { databaseProblem, ownFault } from '../writeback/readiness.ts';
import { expiryWarnings } from './expiry.ts';

const Text = z.string().max(4096);
const Count = z.int().nonnegative();

const Sessions = z.object({
  working: Count,
  unwell: Count,
  unapproved: Count,
  greeting: Count,
});

const Directory = z.object({
  id: Text,
  connectivity: z.enum(CONNECTIVITY),
  /** Who paused it, and why, is a person's: `passback-cloud status` says so, with a key. */
  writeback: z.object({ enabled: z.boolean(), until: Timestamp.optional() }),
  operationsPending: Count,
});

/** What a running service says of itself on its own machine. No secrets, no personal data. */
export const ServiceStatus = z.object({
  build: z.object({ version: Text, node: Text, platform: Text, pid: z.int() }),
  startedAt: Timestamp,
  url: Text,
  /** Which of several nodes it is; absent where it is the only one. */
  node: z.uuid().optional(),
  /** Why it cannot do its work now. */
  notReady: z.array(Text),
  /** What will stop it unless somebody acts. */
  warnings: z.array(Text),
  /** What makes no progress. */
  stuck: z.array(Text),
  database: z.object({
    kind: z.enum(['sqlite', 'postgresql']),
    reachable: z.boolean(),
    problem: Text.optional(),
  }),
  /** Agents that are connected to this node. */
  sessions: Sessions,
  /** Absent while the database cannot be asked. */
  directories: z.array(Directory).optional(),
  /** How many there are besides. */
  moreDirectories: Count.optional(),
  /** Absent where a reverse proxy has the certificate. */
  certificate: z.object({ expiresAt: Timestamp }).optional(),
  keySet: z.object({ number: Count, expiresAt: Timestamp }),
});

export type ServiceStatus = z.infer<typeof ServiceStatus>;

/** Of each of them the database is asked, and nobody reads more. */
const MAX_DIRECTORIES = 100;

export interface StatusSources {
  readonly core: Core;
  readonly config: { readonly database?: unknown };
  readonly node: {
    readonly id: string | undefined;
    readonly live: { census(): readonly { readonly state: SessionState }[] };
  };
  readonly certificate: { readonly expiresAt: number } | undefined;
  readonly startedAt: number;
  readonly draining: AbortSignal;
}

/** How this process is, as of now. Never rejects: what the database does not say is left out. */
export async function serviceStatus(sources: StatusSources): Promise<ServiceStatus> {
  const { core, config, node, certificate, startedAt, draining } = sources;
  const { keySet } = core.keys;
  const problem = await databaseProblem(core);
  const fault = ownFault(core, draining, problem);
  const found = problem === undefined ? await directories(core, fault) : undefined;
  return {
    build: {
      ...{ version: packageVersion(), node: process.version },
      ...{ platform: process.platform, pid: process.pid },
    },
    startedAt: timestamp(startedAt),
    url: core.issuer,
    ...(node.id !== undefined && { node: node.id }),
    notReady: fault === undefined ? [] : [fault],
    warnings: [...expiryWarnings({ keySet, certificate }, core.clock.now())],
    stuck: [...core.rounds.stuck],
    database: {
      kind: config.database === undefined ? 'sqlite' : 'postgresql',
      reachable: problem === undefined,
      ...(problem !== undefined && { problem }),
    },
    sessions: countSessions(node.live.census()),
    ...found,
    ...(certificate !== undefined && {
      certificate: { expiresAt: timestamp(certificate.expiresAt) },
    }),
    keySet: { number: keySet.number, expiresAt: timestamp(keySet.expiresAt) },
  };
}

function countSessions(
  census: readonly { readonly state: SessionState }[],
): ServiceStatus['sessions'] {
  const counts = { working: 0, unwell: 0, unapproved: 0, greeting: 0 };
  for (const { state } of census) counts[state] += 1;
  return counts;
}

async function directories(
  core: Core,
  fault: string | undefined,
): Promise<Pick<ServiceStatus, 'directories' | 'moreDirectories'>> {
  try {
    const all = await core.store.directories.list();
    const listed = [];
    for (const directory of all.slice(0, MAX_DIRECTORIES)) {
      listed.push(viewOf(await directoryStatus(core, directory, fault), core.clock.now()));
    }
    return {
      directories: listed,
      ...(all.length > listed.length && { moreDirectories: all.length - listed.length }),
    };
  } catch {
    return {}; // it went away meanwhile: the next one who asks hears why
  }
}

function viewOf(
  { directory, connectivity, pendingOperations }: DirectoryStatus,
  now: number,
): z.infer<typeof Directory> {
  const { id, toggle } = directory;
  const enabled = !isPaused(toggle, now);
  return {
    id,
    connectivity,
    writeback: {
      enabled,
      ...(!enabled && toggle.until !== undefined && { until: timestamp(toggle.until) }),
    },
    operationsPending: pendingOperations,
  };
}
