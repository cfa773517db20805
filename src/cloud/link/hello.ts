import { CLOSE_CODES, RPC_ERRORS, type Welcome } from '../../protocol/messages.ts';
import { RpcError } from '../../protocol/rpc.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { PROTOCOL_VERSION, type HelloClaims } from '../../protocol/status.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import { importPublicKey } from '../keys/import-public-key.ts';
import type { AgentRecord, DirectoryRecord } from '../store/records.ts';
import { raiseAlarm } from '../writeback/alarm.ts';
import type { Core } from '../writeback/core.ts';
import { resumeTrail } from '../writeback/outcome-trail.ts';
import { isHealthy } from '../writeback/routing.ts';
import { verifySealingKey } from '../writeback/sealing-key.ts';
import { pushToggle, signToggle } from '../writeback/toggle.ts';
import type { LinkSession } from './link-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import { isOlder, OLDEST_VERSION } from './versions.ts';

/** Takes an agent's hello and answers with the welcome, or rejects with `RpcError` and ends the session. */
export async function acceptHello(
  session: LinkSession,
  hello: string,
  { core, sessions }: { readonly core: Core; readonly sessions: LiveSessions },
): Promise<Welcome> {
  const agent = await core.store.agents.find(session.agentId);
  if (agent === undefined || agent.state === 'revoked') {
    throw refused(session, CLOSE_CODES.revoked, 'AGENT_REVOKED');
  }
  const claims = await verifyHello(session, agent, { hello, core });
  const sealing = await verifySealingKey(agent, claims.sealingKey, core.clock.now()).catch(
    (error: unknown) => {
      throw error instanceof TokenError ? notAccepted(session, 'SEALING_KEY_REFUSED') : error;
    },
  );
  const { trail, alarm } = resumeTrail(agent.trail, claims.journal);
  if (alarm !== undefined) {
    await raiseAlarm(core, agent, alarm);
    throw notAccepted(session, alarm);
  }
  session.healthy = isHealthy(claims.status);
  await core.store.agents.update(agent.id, {
    version: claims.version,
    seenAt: core.clock.now(),
    trail,
    guard: claims.guard,
    report: claims.status,
    ...sealing,
  });
  return welcome(session, { core, sessions });
}

async function verifyHello(
  session: LinkSession,
  agent: AgentRecord,
  { hello, core }: { readonly hello: string; readonly core: Core },
): Promise<HelloClaims> {
  const claims = await verifyToken('hello', hello, {
    key: await importPublicKey(agent.deviceKey),
    now: core.clock.now(),
    audience: core.issuer,
    issuer: agent.id,
  }).catch((error: unknown) => {
    throw error instanceof TokenError ? notAccepted(session, error.code) : error;
  });
  if (claims.nonce !== session.nonce || claims.sid !== session.id) {
    throw notAccepted(session, 'WRONG_NONCE');
  }
  if (claims.protocol !== PROTOCOL_VERSION || isOlder(claims.version, OLDEST_VERSION)) {
    throw refused(session, CLOSE_CODES.upgradeRequired, 'UPGRADE_REQUIRED');
  }
  return claims;
}

/** Registers first and asks for the approval afterwards, so that an approval in between is not missed. */
async function welcome(
  session: LinkSession,
  { core, sessions }: { readonly core: Core; readonly sessions: LiveSessions },
): Promise<Welcome> {
  const agent = await core.store.agents.find(session.agentId);
  const directory = await core.store.directories.find(session.directory);
  if (agent === undefined || agent.state === 'revoked' || directory === undefined) {
    throw refused(session, CLOSE_CODES.revoked, 'AGENT_REVOKED');
  }
  const toggle = await signToggle(core, directory);
  session.approved ||= agent.state === 'approved';
  core.log.info('cloud.link_up', {
    agent: agent.id,
    directory: directory.id,
    session: session.id,
    approved: session.approved,
    version: agent.version,
  });
  // The welcome has to be on the wire before the first command is.
  setImmediate(() => {
    sessions.ready(session);
    void pushNewerToggle(core, directory, session.agentId);
  });
  return {
    session: session.id,
    serverTime: timestamp(core.clock.now()),
    approved: session.approved,
    keySet: core.keys.keySet.token,
    toggle,
    oldestVersion: OLDEST_VERSION,
  };
}

/** Somebody may have turned writeback off between the signing of the welcome and its sending. */
async function pushNewerToggle(
  core: Core,
  { id, toggle }: DirectoryRecord,
  agentId: string,
): Promise<void> {
  try {
    const now = await core.store.directories.find(id);
    if (now !== undefined && now.toggle.version !== toggle.version)
      await pushToggle(core, now, agentId);
  } catch (error) {
    // Only the database can have failed; the next toggle or renewal tells the agent.
    core.log.error('cloud.request_failed', { path: 'writeback.set', name: nameOf(error) });
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

function notAccepted(session: LinkSession, code: string): RpcError {
  return refused(session, CLOSE_CODES.protocolError, code);
}

/** The answer goes out before the close frame does. */
function refused(session: LinkSession, closeCode: number, code: string): RpcError {
  setImmediate(() => {
    session.close(closeCode, code);
  });
  return new RpcError(RPC_ERRORS.notAccepted, MESSAGES[code] ?? 'the hello was not accepted', code);
}

const MESSAGES: Partial<Record<string, string>> = {
  AGENT_REVOKED: 'this agent was revoked',
  UPGRADE_REQUIRED: `this service needs agents of version ${OLDEST_VERSION} or newer`,
  JOURNAL_WENT_BACKWARDS: 'the journal is older than what this service has seen; enrol again',
  JOURNAL_REPLACED: 'the journal is not the one this service knows; enrol again',
  JOURNAL_FORKED: 'the journal differs from what this service has seen; enrol again',
};
