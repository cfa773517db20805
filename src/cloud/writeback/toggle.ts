import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { StatusReport } from '../../protocol/status.ts';
import { signToken, type SigningKey } from '../../protocol/tokens.ts';
import { messageOf } from '../../support/errors.ts';
import type { DirectoryRecord, Toggle } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import { nowSeconds, type Core } from './core.ts';
import { endOfPause, isPaused, type WishedEnd } from './pause.ts';

const PUSH_WITHIN_MS = 10_000;

interface Statement {
  readonly toggle: string;
  readonly token: Promise<string>;
}

/** The newest statement of each directory under each key: a fleet that comes back asks for the same ones. */
const statements = new WeakMap<SigningKey, Map<string, Statement>>();

/** The current toggle of a directory as the signed statement that agents take; signed once. */
export function signToggle(core: Core, directory: DirectoryRecord): Promise<string> {
  const { signing } = core.keys;
  const known = statements.get(signing) ?? new Map<string, Statement>();
  statements.set(signing, known);
  const toggle = JSON.stringify(directory.toggle);
  const before = known.get(directory.id);
  if (before?.toggle === toggle) return before.token;
  const token = signAnew(core, directory);
  known.set(directory.id, { toggle, token });
  return token;
}

function signAnew(core: Core, directory: DirectoryRecord): Promise<string> {
  const { version, enabled, reason, by, until } = directory.toggle;
  return signToken(
    'writeback',
    {
      iss: core.issuer,
      aud: directory.id,
      iat: nowSeconds(core.clock),
      version,
      enabled,
      reason,
      by,
      ...(until !== undefined && { until: timestamp(until) }),
    },
    core.keys.signing,
  );
}

export interface WishedToggle extends WishedEnd {
  readonly enabled: boolean;
  readonly reason: string;
  readonly by: string;
}

export interface SetToggle {
  readonly toggle: Toggle;
  /** Whether it was on, or paused, before: then only the agents have been told again. */
  readonly wasPaused: boolean;
}

/**
 * Turns writeback on or off: durably, in the audit, and at every connected agent. A pause that is
 * ordered during a pause replaces its reason and its end. Rejects with `ServiceError`.
 */
export async function setToggle(
  core: Core,
  directoryId: string,
  { enabled: wished, reason, by, ...end }: WishedToggle,
): Promise<SetToggle> {
  let wasPaused = false;
  const directory = await core.store.atomically(async (store) => {
    const found = await store.directories.find(directoryId);
    if (found === undefined) throw new TypeError(`setToggle: no directory ${directoryId}`);
    const at = core.clock.now();
    const until = endOfPause(end, wished, at);
    wasPaused = isPaused(found.toggle, at);
    const toggle: Toggle = {
      version: nextVersion(found.toggle.version, at),
      ...{ enabled: wished, reason, by, at },
      ...(until !== undefined && { until }),
    };
    await store.directories.setToggle(directoryId, toggle, found.toggle.version);
    await store.audit.append({
      at,
      directory: directoryId,
      actor: by,
      action: wished ? 'writeback.enabled' : 'writeback.paused',
      detail: {
        version: toggle.version,
        reason,
        ...(until !== undefined && { until: timestamp(until) }),
      },
    });
    return { ...found, toggle };
  });
  const { version, enabled } = directory.toggle;
  core.log.info('cloud.writeback_toggled', { directory: directoryId, version, enabled });
  await Promise.all(
    core.sessions
      .approved(directoryId)
      .map((session) => pushToggle(core, directory, session.agentId)),
  );
  return { toggle: directory.toggle, wasPaused };
}

/**
 * The time of the change, so that agents can bound it: a version from far in the future, signed with
 * a stolen key, would outrank every later one of ours. After a clock that was ahead, time counts again.
 */
function nextVersion(last: number, now: number): number {
  return last > now + CLOCK_TOLERANCE_S * 1000 ? now : Math.max(last + 1, now);
}

/** Hands the current toggle to one connected agent; one that does not take a pause is told once more when it reports. */
export async function pushToggle(
  core: Core,
  directory: DirectoryRecord,
  agentId: string,
): Promise<void> {
  const session = core.sessions.find(agentId);
  if (session === undefined) return;
  try {
    const statement = await signToggle(core, directory);
    await session.setToggle(statement, AbortSignal.timeout(PUSH_WITHIN_MS));
  } catch (error) {
    core.log.warn('cloud.writeback_toggled', {
      agent: agentId,
      directory: directory.id,
      problem: messageOf(error),
    });
  }
}

/**
 * Tells an agent that says that it writes, while its directory is paused, once more: what was pushed
 * while its session or its node was not known here yet, or could not be reached, is not pushed again.
 */
export async function remindOfPause(
  core: Core,
  { agentId, directory: id }: Pick<AgentSession, 'agentId' | 'directory'>,
  { state }: Pick<StatusReport, 'state'>,
): Promise<void> {
  if (state !== 'running' && state !== 'degraded') return;
  const directory = await core.store.directories.find(id);
  if (directory === undefined || !isPaused(directory.toggle, core.clock.now())) return;
  void pushToggle(core, directory, agentId); // its answer comes by the session that has just asked
}
