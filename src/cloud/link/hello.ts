import { CLOSE_CODES, RPC_ERRORS, type Standing, type Welcome } from '../../protocol/messages.ts';
import { commonProtocol } from '../../protocol/protocol-range.ts';
import { RpcError } from '../../protocol/rpc.ts';
import type { HelloClaims } from '../../protocol/status.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { AgentRecord, DirectoryRecord } from '../store/records.ts';
import { barOf } from '../writeback/admittance.ts';
import { raiseAlarm } from '../writeback/alarm.ts';
import type { Core } from '../writeback/core.ts';
import { resumeTrail } from '../writeback/outcome-trail.ts';
import { isHealthy } from '../writeback/routing.ts';
import { takeSealingKey } from '../writeback/sealing-key.ts';
import type { LinkRefusalCode } from '../writeback/service-codes.ts';
import { announce, renewSession, saysMore, standingOf } from '../writeback/standing.ts';
import type { LinkSession } from './link-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Spread } from './spread.ts';
import { isOlder, OLDEST_VERSION, whyNotServed } from '../writeback/versions.ts';

/** A hello and the nonce that it has to be made over. */
export interface Said {
  readonly hello: string;
  readonly nonce: string;
  /** Up to which number the agent's outcomes were known when it was asked in the middle of a session. */
  readonly known?: number | undefined;
}

interface Deps {
  readonly core: Core;
  readonly sessions: LiveSessions;
  readonly spread: Spread;
}

/** Takes an agent's first hello and answers with the welcome, or rejects with `RpcError` and ends the session. */
export async function acceptHello(session: LinkSession, said: Said, deps: Deps): Promise<Welcome> {
  return welcome(session, await takeHello(session, said, deps.core), deps);
}

/** What a hello that was taken leaves for the welcome. */
interface Taken {
  /** As it is stored by now. */
  readonly agent: Pick<
    AgentRecord,
    'id' | 'directory' | 'state' | 'disabled' | 'version' | 'trail'
  >;
  /** To be spoken. */
  readonly protocol: number;
  /** The agent's, as it was on the way. */
  readonly directory: DirectoryRecord | undefined;
}

/** Takes a hello, also the one that a renewal asked for; or rejects with `RpcError` and ends the session. */
export async function takeHello(session: LinkSession, said: Said, core: Core): Promise<Taken> {
  const agent = await core.store.agents.find(session.agentId);
  if (agent === undefined) throw refused(session, CLOSE_CODES.revoked, 'AGENT_REVOKED');
  mustBeLetIn(session, agent);
  const claims = await verifyHello(session, agent, { ...said, core });
  const protocol = await mustBeServed(session, claims, core);
  session.reckon(claims.monotonicMs);
  const sealing = await takeSealingKey(core, agent, claims.sealingKey).catch((error: unknown) => {
    throw error instanceof TokenError
      ? notAccepted(session, 'SEALING_KEY_REFUSED', error.message)
      : error;
  });
  const { alarm } = resumeTrail(agent.trail, claims.journal, said.known);
  if (alarm !== undefined) {
    await raiseAlarm(core, agent, alarm);
    throw refused(session, CLOSE_CODES.wrongJournal, alarm);
  }
  if (sealing.sealingKey.kid !== agent.sealingKey.kid) {
    await announce(core, { ...agent, ...sealing });
  }
  const directory = await core.store.directories.find(agent.directory);
  await alarmRestoredToggle({ agent, directory }, claims, core);
  session.healthy = isHealthy(claims.status);
  const { version } = claims;
  let stored: Taken['agent'] = agent;
  await core.groupCommit.run(async (store) => {
    // Outcomes may have come in meanwhile, and stay.
    const standing = await store.agents.standing(agent.id);
    const { trail } = resumeTrail(standing?.trail, claims.journal, said.known);
    stored = { ...agent, ...standing, version, trail };
    await store.agents.update(agent.id, {
      version,
      seenAt: core.clock.now(),
      trail,
      guard: claims.guard,
      report: claims.status,
      turnedAway: undefined,
      ...sealing,
    });
  });
  return { agent: stored, protocol, directory };
}

/**
 * An agent has taken a toggle that this service does not know: its database was restored from a
 * backup, and agents that were revoked or paused since may be so no more. The agent may work: it
 * holds on to the newer toggle.
 */
async function alarmRestoredToggle(
  { agent, directory }: { readonly agent: AgentRecord } & Pick<Taken, 'directory'>,
  { toggle }: HelloClaims,
  core: Core,
): Promise<void> {
  if (directory === undefined || toggle <= directory.toggle.version) return;
  await raiseAlarm(core, agent, 'SERVICE_WENT_BACKWARDS');
}

async function verifyHello(
  session: LinkSession,
  agent: AgentRecord,
  { hello, nonce, core }: Said & { readonly core: Core },
): Promise<HelloClaims> {
  const claims = await verifyToken('hello', hello, {
    key: await core.deviceKeys.get(agent.deviceKey),
    now: core.clock.now(),
    audience: core.issuer,
    issuer: agent.id,
  }).catch((error: unknown) => {
    throw error instanceof TokenError ? helloRefused(session, error, core) : error;
  });
  if (claims.nonce !== nonce || claims.sid !== session.id) {
    throw notAccepted(session, 'WRONG_NONCE');
  }
  return claims;
}

/** The protocol to speak with an agent. One that is too old is turned away, and shown so to admins. */
async function mustBeServed(
  session: LinkSession,
  { version, protocols }: HelloClaims,
  core: Core,
): Promise<number> {
  const protocol = commonProtocol(protocols);
  if (protocol !== undefined && !isOlder(version, OLDEST_VERSION)) return protocol;
  const reason = whyNotServed({ version, protocols });
  const { agentId: agent, id } = session;
  const code = 'UPGRADE_REQUIRED';
  core.log.warn('cloud.link_refused', { agent, session: id, code, reason });
  core.meters.upgradeRefused(code);
  const at = core.clock.now();
  await core.store.agents.update(agent, { turnedAway: { at, version, reason } });
  throw refused(session, CLOSE_CODES.upgradeRequired, code, reason);
}

/** Two machines that know the time differently cannot tell from each other who is right: a person has to hear of both. */
function helloRefused(session: LinkSession, { code, message }: TokenError, core: Core): RpcError {
  const { agentId: agent, id } = session;
  core.log.warn('cloud.link_refused', { agent, session: id, code, reason: message });
  return notAccepted(session, code, isAboutTime(code) ? `${message}; ${SET_CLOCKS}` : undefined);
}

function isAboutTime(code: string): boolean {
  return code === 'EXPIRED' || code === 'NOT_YET_VALID';
}

const SET_CLOCKS = 'set whichever clock is wrong (NTP)';

/** Its session was registered before the approval was read, so that one in between is not missed. */
async function welcome(
  session: LinkSession,
  { agent, protocol, directory }: Taken,
  { core, sessions, spread }: Deps,
): Promise<Welcome> {
  mustBeLetIn(session, agent);
  session.approved ||= agent.state === 'approved';
  if (!(await sessions.enter(session))) {
    await raiseAlarm(core, agent, 'SECOND_SESSION');
    throw refused(session, CLOSE_CODES.superseded, 'SECOND_SESSION');
  }
  const spreadMs = await spread.ms();
  const known = { agent, ...(directory !== undefined && { directory }) };
  const standing = await standingOf(core, session, known);
  core.log.info('cloud.link_up', {
    agent: agent.id,
    directory: session.directory,
    session: session.id,
    approved: session.approved,
    version: agent.version,
  });
  // The welcome has to be on the wire before the first command is.
  setImmediate(() => {
    sessions.ready(session);
    void catchUp(session, { standing, agent }, core);
  });
  return { session: session.id, ...standing, protocol, oldestVersion: OLDEST_VERSION, spreadMs };
}

/** Somebody may have changed something between the making of the welcome and its sending. */
async function catchUp(
  session: LinkSession,
  told: { readonly standing: Standing; readonly agent: Taken['agent'] },
  core: Core,
): Promise<void> {
  try {
    const now = await standingOf(core, session, { agent: told.agent });
    if (saysMore(told.standing, now)) await renewSession(core, session);
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    core.log.error('cloud.request_failed', { path: 'session.renew', name });
  }
}

function mustBeLetIn(session: LinkSession, agent: Taken['agent']): void {
  const bar = barOf(agent);
  if (bar !== undefined) throw refused(session, bar.closeCode, bar.code, bar.detail);
}

function notAccepted(session: LinkSession, code: LinkRefusalCode, message?: string): RpcError {
  return refused(session, CLOSE_CODES.protocolError, code, message);
}

/** The answer goes out before the close frame does. */
function refused(
  session: LinkSession,
  closeCode: number,
  code: LinkRefusalCode,
  message = MESSAGES[code] ?? 'the hello was not accepted',
): RpcError {
  setImmediate(() => {
    session.close(closeCode, code);
  });
  return new RpcError(RPC_ERRORS.notAccepted, message, code);
}

const MESSAGES: Partial<Record<LinkRefusalCode, string>> = {
  AGENT_REVOKED: 'this agent was revoked',
  SECOND_SESSION:
    'this agent is connected already: two machines may be running copies of one state folder',
  JOURNAL_WENT_BACKWARDS: 'the journal is older than what this service has seen; enrol again',
  JOURNAL_REPLACED: 'the journal is not the one this service knows; enrol again',
  JOURNAL_FORKED: 'the journal differs from what this service has seen; enrol again',
};
