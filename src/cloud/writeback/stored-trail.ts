import { signedHash } from '../../protocol/digest.ts';
import type { OutcomeClaims } from '../../protocol/outcome.ts';
import type { Moment, TrailLink } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { extendTrail, type TrailAlarm } from './outcome-trail.ts';

export type NewLink = TrailLink & { readonly epoch: string };

/** What a signed outcome is in its agent's trail; undefined for one that is not chained. */
export function linkOf({ chain }: OutcomeClaims, signed: string, at: Moment): NewLink | undefined {
  return chain && { ...chain, hash: signedHash(signed), at };
}

/**
 * Adds a verified outcome to the stored trail of the agent that signed it, with an alarm, also in
 * the audit, when it does not fit. To be called inside a transaction.
 */
export async function extendStoredTrail(
  store: Store,
  {
    id,
    directory,
    cmd,
  }: { readonly id: string; readonly directory: string; readonly cmd?: string | undefined },
  link: NewLink,
): Promise<{ readonly isNew: boolean; readonly alarm?: TrailAlarm }> {
  const known = await store.agents.trail(id);
  if (known === undefined) return { isNew: false };
  const { trail, alarm } = extendTrail(known, link);
  const isNew = trail !== known;
  if (isNew) await store.agents.update(id, { trail });
  if (alarm === undefined) return { isNew };
  await store.audit.append({
    at: link.at,
    directory,
    actor: 'passback-cloud',
    action: 'agent.alarm',
    target: id,
    detail: { alarm, ...(cmd !== undefined && { cmd }) },
  });
  return { isNew, alarm };
}
