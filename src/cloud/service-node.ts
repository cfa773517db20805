import type { Clock } from '../support/clock.ts';
import type { Logger } from '../support/logger.ts';
import { Cluster } from './cluster/cluster.ts';
import type { CloudConfig } from './config/cloud-config.ts';
import { dataFolder } from './data-folder.ts';
import type { ServiceKeys } from './keys/service-keys.ts';
import { LiveSessions } from './link/live-sessions.ts';
import { lockForServing } from './setup/serve-lock.ts';
import { openPostgresStore } from './store/postgres.ts';
import { readPostgresPlace, type PostgresSettings } from './store/postgres-place.ts';
import { openSqliteStore } from './store/sqlite.ts';
import type { Store } from './store/store.ts';
import type { AgentSessions } from './writeback/agent-session.ts';
import type { Core } from './writeback/core.ts';
import type { Dispatcher } from './writeback/dispatcher.ts';
import { soleRelay, type Relay } from './writeback/relay.ts';

/** The database, and this process as the only one on it, or as one of several. */
export interface ServiceNode {
  readonly store: Store;
  /** Which of several nodes this one is, as of now; undefined where it is the only one. */
  readonly id: string | undefined;
  /** The sockets of this process. */
  readonly live: LiveSessions;
  readonly sessions: AgentSessions;
  readonly relay: Relay;
  /** Works with the other nodes from now on. */
  start(core: Core, dispatcher: Dispatcher): Promise<void>;
  /** Gives what other nodes have handed over `ms` to end. */
  drain(ms: number): Promise<void>;
  /** Leaves the other nodes and closes the database. */
  close(): Promise<void>;
}

export interface ServiceNodeDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly keys: () => ServiceKeys;
}

/** Opens what the configuration names. Rejects with `StoreError`, `ConfigError`, `FolderError` or `SetupError`. */
export function openServiceNode(config: CloudConfig, deps: ServiceNodeDeps): Promise<ServiceNode> {
  return config.database === undefined
    ? openSoleNode(config, deps)
    : openClusterNode(config.database, deps);
}

async function openSoleNode(config: CloudConfig, { clock }: ServiceNodeDeps): Promise<ServiceNode> {
  const folder = dataFolder(config.dataFolder);
  const lock = lockForServing(folder.lock);
  try {
    const store = await openSqliteStore(folder.database);
    const live = new LiveSessions();
    return {
      store,
      id: undefined,
      live,
      sessions: live,
      relay: soleRelay(store, () => clock.now()),
      start: () => Promise.resolve(),
      drain: () => Promise.resolve(),
      close: async () => {
        await store[Symbol.asyncDispose]();
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function openClusterNode(
  settings: PostgresSettings,
  deps: ServiceNodeDeps,
): Promise<ServiceNode> {
  const place = await readPostgresPlace(settings);
  const store = await openPostgresStore(place);
  const cluster = new Cluster({ ...deps, store, place, random: Math.random });
  return {
    store,
    get id() {
      return cluster.id;
    },
    live: cluster.live,
    sessions: cluster.sessions,
    relay: cluster.relay,
    start: (core, dispatcher) => cluster.start(core, dispatcher),
    drain: (ms) => cluster.drain(ms),
    close: async () => {
      await cluster.close();
      await store[Symbol.asyncDispose]();
    },
  };
}
