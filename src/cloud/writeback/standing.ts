import { decodeJwt } from 'jose';
import { CLOCK_TOLERANCE_S, OPERATION_LIFETIME_MS } from '../../protocol/command.ts';
import type { PeerStatement, Standing } from '../../protocol/messages.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import type { AgentRecord, DirectoryRecord, PeerRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import type { Core } from './core.ts';
import { signToggle } from './toggle.ts';

/** An agent that was started since the key was replaced knows it from here alone. */
const KEEP_REPLACED_MS = OPERATION_LIFETIME_MS + CLOCK_TOLERANCE_S * 1000;

/** What is known already and need not be read again: a fleet asks for it all at once. */
export interface Known {
  /** Replaces the stored record of an agent (or adds one): what is about to be stored. */
  readonly ahead?: AgentRecord | undefined;
  readonly directory?: DirectoryRecord;
  /** The session's own agent. */
  readonly agent?: Pick<AgentRecord, 'trail'>;
}

/** What an agent is told in a welcome or a renewal, as of now. */
export async function standingOf(
  core: Core,
  { agentId, directory: id, approved }: Pick<AgentSession, 'agentId' | 'directory' | 'approved'>,
  { ahead, directory: read, agent }: Known = {},
): Promise<Standing> {
  const directory = read ?? (await core.store.directories.find(id));
  if (directory === undefined) throw new TypeError(`standingOf: no directory ${id}`);
  const stored = approved ? await core.store.agents.peers(id) : [];
  const trail = approved ? await trailOf(core, agentId, agent) : undefined;
  const peers = ahead === undefined ? stored : withAhead(stored, ahead);
  const now = core.clock.now();
  return {
    serverTime: timestamp(now),
    approved,
    keySet: core.keys.keySet.token,
    toggle: await signToggle(core, directory),
    peers: approved ? peers.flatMap((agent) => peerStatements(agent, now)) : [],
    ...(trail !== undefined && { trail: { epoch: trail.epoch, seq: trail.seq } }),
  };
}

function trailOf(
  { store }: Core,
  agentId: string,
  agent: Known['agent'],
): Promise<AgentRecord['trail']> {
  return agent === undefined ? store.agents.trail(agentId) : Promise.resolve(agent.trail);
}

/** Whom a secret of an operation that still has time may be sealed to; the key in use comes last. */
function peerStatements(
  { deviceKey, sealingStatement: sealingKey, sealingReplaced: before }: PeerRecord,
  now: number,
): PeerStatement[] {
  const current = { deviceKey, sealingKey };
  const isInUse = before !== undefined && now - before.at <= KEEP_REPLACED_MS;
  return isInUse ? [{ deviceKey, sealingKey: before.statement }, current] : [current];
}

/**
 * Tells the other connected agents of a directory of an agent whose key is about to be stored.
 * Resolves when that is on its way: a secret can be sealed to the key only afterwards, so that no
 * agent is handed a command whose recipients it cannot know. Never rejects.
 */
export async function announce(core: Core, ahead: AgentRecord): Promise<void> {
  if (ahead.state !== 'approved') return;
  const others = core.sessions
    .welcomed(ahead.directory)
    .filter(({ agentId, approved }) => agentId !== ahead.id && approved);
  await Promise.all(others.map((session) => renewSession(core, session, ahead)));
}

/** Renews one session. Resolves when the question is on its way; never rejects. */
export async function renewSession(
  core: Core,
  session: AgentSession,
  ahead?: AgentRecord,
): Promise<void> {
  try {
    const renewal = session.renew(await standingOf(core, session, { ahead }));
    if (session.node !== undefined) await renewal;
  } catch (error) {
    // Only our own database or keys can have failed: the agent is told by its next renewal.
    const { agentId: agent, id } = session;
    core.log.error('cloud.renewal_failed', { agent, session: id, reason: messageOf(error) });
  }
}

/** Whether an agent that was told the one would have to be told the other. */
export function saysMore(told: Standing, now: Standing): boolean {
  const facts = ({ approved, keySet, peers, toggle = '' }: Standing): string =>
    // Signed anew each time, so that only what it says can be compared.
    JSON.stringify([approved, keySet, peers, decodeJwt(toggle).version]);
  return facts(told) !== facts(now);
}

function withAhead(stored: readonly PeerRecord[], ahead: AgentRecord): readonly PeerRecord[] {
  const others = stored.filter(({ id }) => id !== ahead.id);
  return ahead.state === 'approved' ? [...others, ahead] : others;
}
