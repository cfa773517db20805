import { randomInt } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { CONNECT_PATH, MAX_FRAME_BYTES, SUBPROTOCOL } from '../../protocol/messages.ts';
import { isFault } from '../../support/errors.ts';
import type { Entrance, PeerAddress } from '../entrance.ts';
import type { AgentIdentity } from '../store/records.ts';
import { raiseAlarm } from '../writeback/alarm.ts';
import type { Core } from '../writeback/core.ts';
import { LINK_REFUSALS, type LinkRefusalCode } from '../writeback/service-codes.ts';
import { admit } from './admission.ts';
import { LinkSession, type SessionDuties } from './link-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { ReplayCache } from './replay-cache.ts';

/** Upgrades being decided at one time; the rest is asked to come back. */
const MAX_DECIDING = 1_024; // a few seconds of work: agents wait ten before they give a dial up
/** A wish that is the same for all would bring all of them back in the same moment. */
const RETRY_AFTER_S = { least: 5, most: 30 };

export interface UpgradeOptions {
  readonly core: Core;
  /** An agent is in once its hello has been answered. */
  readonly entrance: Pick<Entrance, 'isIn'>;
  readonly sessions: LiveSessions;
  readonly duties: SessionDuties;
  readonly renewEveryMs: number;
  /** Aborted: nobody new is let in. */
  readonly draining: AbortSignal;
}

/** Lets agents in: refuses with an HTTP status before a WebSocket exists, runs a session for the rest. */
export function acceptUpgrades(server: Pick<Server, 'on'>, options: UpgradeOptions): void {
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // A little more than is taken, so that our own check gives the close code; many tiny fragments
    // cost far more memory than their bytes.
    maxPayload: 4 * MAX_FRAME_BYTES,
    maxFragments: 64,
    maxBufferedChunks: 1024,
    handleProtocols: () => SUBPROTOCOL,
  });
  const replays = new ReplayCache();
  const greeting = new WeakMap<LinkSession, PeerAddress>();
  const duties: SessionDuties = {
    ...options.duties,
    hello: (session, said) =>
      options.duties.hello(session, said).finally(() => {
        const peer = greeting.get(session);
        if (peer !== undefined) options.entrance.isIn(peer);
        greeting.delete(session);
      }),
  };
  let deciding = 0;
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const onError = (): void => void socket.destroy();
    socket.on('error', onError);
    if (deciding >= MAX_DECIDING || options.draining.aborted) {
      options.core.meters.upgradeRefused('NOT_READY');
      refuse(socket, { status: 503, code: 'NOT_READY', detail: 'the service is not ready' });
      return;
    }
    deciding += 1;
    decide(request, options, replays)
      .then((decision) => {
        if (!('agent' in decision)) {
          logRefusal(options.core, request, decision);
          refuse(socket, decision);
          return;
        }
        sockets.handleUpgrade(request, socket, head, (opened) => {
          // It would keep the request, with its head and its token, for as long as the session lasts.
          socket.off('error', onError);
          const session = startSession(opened, decision.agent, { ...options, duties });
          if (session !== undefined) greeting.set(session, request.socket);
        });
      })
      .catch((error: unknown) => {
        refuse(socket, failure(error, options.core));
      })
      .finally(() => {
        deciding -= 1;
      });
  });
}

interface UpgradeRefusal {
  /** For our own log. */
  readonly reason?: string;
  /** For whoever was refused because of its clock. */
  readonly serverTime?: string;
  readonly status: number;
  readonly code: LinkRefusalCode;
  readonly detail: string;
}

async function decide(
  request: IncomingMessage,
  { core, sessions }: UpgradeOptions,
  replays: ReplayCache,
): Promise<{ readonly agent: AgentIdentity } | UpgradeRefusal> {
  if (pathOf(request) !== CONNECT_PATH) {
    return { status: 404, code: 'NOT_FOUND', detail: `agents connect at ${CONNECT_PATH}` };
  }
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  if (!offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
    return { status: 426, code: 'UPGRADE_REQUIRED', detail: `this service speaks ${SUBPROTOCOL}` };
  }
  const admission = await admit(request.headers.authorization, core, replays);
  if (!('agent' in admission)) return admission;
  const { agent } = admission;
  if (await sessions.makeRoom(agent.id)) return { agent };
  await raiseAlarm(core, agent, 'SECOND_SESSION');
  return {
    status: 409,
    code: 'SECOND_SESSION',
    detail:
      'this agent is connected already: two machines may be running copies of one state folder',
  };
}

/** Undefined where the agent has one already, or nobody is let in any more. */
function startSession(
  socket: WebSocket,
  agent: AgentIdentity,
  { core, sessions, duties, renewEveryMs, draining }: UpgradeOptions,
): LinkSession | undefined {
  const { id: agentId, directory, deviceKey } = agent;
  const who = { agentId, directory, deviceKey };
  const session = new LinkSession(socket, {
    ...who,
    duties,
    renewEveryMs,
    clock: core.clock,
    log: core.log,
  });
  if (draining.aborted || !sessions.add(session)) {
    session.terminate();
    return undefined;
  }
  session.challenge();
  return session;
}

/** What passes by itself is for the agent to wait for, and to be told so. */
function failure(error: unknown, { log, meters }: Core): UpgradeRefusal {
  if (!isFault(error) || !error.retryable) {
    const name = error instanceof Error ? error.name : typeof error;
    log.error('cloud.request_failed', { path: CONNECT_PATH, name });
    return { status: 500, code: 'INTERNAL', detail: 'the service failed' };
  }
  log.error('cloud.request_failed', { path: CONNECT_PATH, problem: error.message });
  meters.upgradeRefused('NOT_READY');
  return { status: 503, code: 'NOT_READY', detail: 'the service is not ready' };
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? '';
}

function logRefusal(core: Core, request: IncomingMessage, refusal: UpgradeRefusal): void {
  const { status, code, reason } = refusal;
  const remote = request.socket.remoteAddress;
  core.log.warn('cloud.link_refused', { status, code, reason, remote });
  core.meters.upgradeRefused(code);
}

function retryAfterS(): number {
  const { least, most } = RETRY_AFTER_S;
  return randomInt(least, most + 1);
}

/** An answer by hand: no WebSocket was made, and none will be on this connection. */
function refuse(socket: Duplex, { status, code, detail, serverTime }: UpgradeRefusal): void {
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    detail,
    action: LINK_REFUSALS[code].action,
    serverTime,
  });
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 401 ? ['WWW-Authenticate: Bearer'] : []),
    ...(status === 426 ? [`Sec-WebSocket-Protocol: ${SUBPROTOCOL}`, 'Upgrade: websocket'] : []),
    ...(status === 503 ? [`Retry-After: ${retryAfterS()}`] : []),
  ];
  socket.once('finish', () => socket.destroy());
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}
