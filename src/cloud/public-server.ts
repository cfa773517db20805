import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { DropArgument, Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { Clock } from '../support/clock.ts';
import type { EventName } from '../support/events.ts';
import type { Logger } from '../support/logger.ts';
import { onAbort } from '../support/on-abort.ts';
import { busyLoop } from './busy-loop.ts';
import { Entrance, ENTRANCE_LIMITS, type EntranceLimits } from './entrance.ts';
import type { TlsPair } from './tls-pair.ts';

const TLS_VERSIONS = { minVersion: 'TLSv1.2' } as const;

const TIME_LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1_000, // without it Node looks at the limits each 30 s
};

/** What strangers can take of the service without a key. */
export interface ConnectionLimits {
  /** Whoever opens sockets and says nothing must not use up the process's file descriptors. */
  readonly connections: number;
  /** Node gives a handshake two minutes; an honest one takes a second. */
  readonly handshakeMs: number;
  readonly entrance: EntranceLimits;
}

export const CONNECTION_LIMITS: Omit<ConnectionLimits, 'connections'> = {
  handshakeMs: 10_000,
  entrance: ENTRANCE_LIMITS,
};

/** Whoever floods the service must not flood its log. */
const TELL_EVERY_MS = 60_000;

/** The server that agents and callers reach, which does not listen yet. */
export function createPublicServer(
  tls: TlsPair | undefined,
  { connections, handshakeMs: handshakeTimeout }: ConnectionLimits,
): Server {
  const server =
    tls === undefined
      ? createHttpServer(TIME_LIMITS)
      : createHttpsServer({ ...TIME_LIMITS, ...TLS_VERSIONS, ...tls, handshakeTimeout });
  server.maxConnections = connections;
  return server;
}

/** From now on the server shows this pair; throws, and goes on with the old one, when TLS does not take it. */
export function showPair(server: TlsServer, pair: TlsPair): void {
  server.setSecureContext({ ...TLS_VERSIONS, ...pair });
}

export interface Guard {
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

/**
 * Puts an entrance in front of a server. A connection that has made an HTTP request is in; who takes
 * upgrades has to say of each when it is.
 */
export function guardEntrance(server: Server, { limits, clock, log, stopping }: Guard): Entrance {
  // Node's own listeners, which would begin TLS (or HTTP) at once.
  const begin = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  const turnedAway = counting('cloud.connections_turned_away', { clock, log });
  const entrance = new Entrance({
    limits: limits.entrance,
    begin: (socket) => {
      for (const listener of begin) listener.call(server, socket);
    },
    onTurnedAway: ({ remoteAddress }) => {
      turnedAway({ remote: remoteAddress });
    },
    isBusy: busyLoop(),
    clock,
    stopping,
  });
  server.on('connection', (socket) => {
    entrance.arrive(socket);
  });
  server.on('request', ({ socket }) => {
    entrance.isIn(socket);
  });
  onAbort(stopping, () => {
    entrance.close();
  });
  // Node closes what is beyond `maxConnections` without a word to anybody.
  const full = counting('cloud.connections_full', { clock, log });
  server.on('drop', (data?: DropArgument) => {
    full({ allowed: limits.connections, remote: data?.remoteAddress });
  });
  return entrance;
}

/** Warns of what happens, once a minute however often it does, with how often it did. */
function counting(
  event: EventName,
  { clock, log }: Pick<Guard, 'clock' | 'log'>,
): (facts: Readonly<Record<string, unknown>>) => void {
  let [toldAt, dropped] = [-Infinity, 0];
  return (facts) => {
    dropped += 1;
    if (clock.monotonic() - toldAt < TELL_EVERY_MS) return;
    log.warn(event, { ...facts, dropped });
    [toldAt, dropped] = [clock.monotonic(), 0];
  };
}
