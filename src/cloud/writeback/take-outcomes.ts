import type { OutcomeClaims } from '../../protocol/outcome.ts';
import { TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { AgentRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Core } from './core.ts';
import { extendStoredTrail, linkOf, type NewLink } from './stored-trail.ts';

interface Reported {
  readonly signed: string;
  readonly claims: OutcomeClaims;
  readonly link: NewLink;
}

/**
 * Completes an agent's trail with signed outcomes whose answer was lost, or that nobody asked for;
 * each that is news, and of a dispatch of ours, goes into the audit. What became of an operation is
 * decided by the answer to its own dispatches only. Rejects with `TokenError`, and keeps none, unless the agent made all.
 */
export async function takeOutcomes(
  core: Core,
  agent: AgentRecord,
  signed: readonly string[],
): Promise<void> {
  const reported: Reported[] = [];
  for (const each of signed) reported.push(await read(core, agent, each));
  await core.store.atomically(async (store) => {
    for (const each of reported) {
      const whose = { id: agent.id, directory: agent.directory, cmd: each.claims.cmd };
      const isNew = await extendStoredTrail({ ...core, store }, whose, each.link);
      if (isNew) await note(store, agent, each);
    }
  });
}

async function read(core: Core, agent: AgentRecord, signed: string): Promise<Reported> {
  const now = core.clock.now();
  const claims = await verifyToken('outcome', signed, {
    key: await core.deviceKeys.get(agent.deviceKey),
    now,
    audience: agent.directory,
    issuer: agent.id,
  });
  const link = linkOf(claims, signed, now);
  if (link !== undefined) return { signed, claims, link };
  throw new TokenError('MALFORMED', 'outcome token: not in the trail');
}

async function note(
  store: Store,
  agent: AgentRecord,
  { signed, claims, link }: Reported,
): Promise<void> {
  const { cmd, op, outcome } = claims;
  const operation = cmd === undefined ? undefined : await store.operations.find(cmd);
  // An agent can sign whatever it likes: what nobody asked for must not fill the disk.
  if (operation === undefined || !(await wasDispatched(store, operation.id, claims.token, agent))) {
    return;
  }
  await store.audit.append({
    at: link.at,
    directory: agent.directory,
    actor: agent.id,
    action: 'outcome.reported',
    target: operation.objectGuid,
    detail: { code: outcome.code, cmd: operation.id, ...(op !== undefined && { op }) },
    signed,
  });
}

async function wasDispatched(
  store: Store,
  cmd: string,
  token: string,
  { id }: AgentRecord,
): Promise<boolean> {
  const dispatches = await store.operations.dispatches(cmd);
  return dispatches.some((dispatch) => dispatch.agent === id && dispatch.token === token);
}
