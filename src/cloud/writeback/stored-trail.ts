import { signedHash } from '../../protocol/digest.ts';
import type { OutcomeClaims } from '../../protocol/outcome.ts';
import type { Moment, TrailLink } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { extendTrail, giveUpGaps, type TrailAlarm, type TrailStep } from './outcome-trail.ts';

export type NewLink = TrailLink & { readonly epoch: string };

/** What a signed outcome is in its agent's trail; undefined for one that is not chained. */
export function linkOf({ chain }: OutcomeClaims, signed: string, at: Moment): NewLink | undefined {
  return chain && { ...chain, hash: signedHash(signed), at };
}

/** Whose trail it is, and which operation was told of when it changed. */
export interface Whose {
  readonly id: string;
  readonly directory: string;
  readonly cmd?: string | undefined;
}

export interface Kept {
  readonly isNew: boolean;
  readonly alarm?: TrailAlarm;
}

/**
 * Adds a verified outcome to the stored trail of the agent that signed it, with an alarm, also in
 * the audit, when it does not fit. To be called inside a transaction.
 */
export async function extendStoredTrail(store: Store, whose: Whose, link: NewLink): Promise<Kept> {
  const known = await store.agents.trail(whose.id);
  if (known === undefined) return { isNew: false };
  const step = extendTrail(known, link);
  return keep(store, whose, { step, isNew: step.trail !== known, at: link.at });
}

/** Raises the alarm for what has been missing for too long. To be called inside a transaction. */
export async function giveUpStoredGaps(store: Store, whose: Whose, at: Moment): Promise<Kept> {
  const known = await store.agents.trail(whose.id);
  if (known === undefined) return { isNew: false };
  const step = giveUpGaps(known, at);
  return keep(store, whose, { step, isNew: step.alarm !== undefined, at });
}

async function keep(
  store: Store,
  { id, directory, cmd }: Whose,
  { step, isNew, at }: { readonly step: TrailStep; readonly isNew: boolean; readonly at: Moment },
): Promise<Kept> {
  const { trail, alarm } = step;
  if (isNew) await store.agents.update(id, { trail });
  if (alarm === undefined) return { isNew };
  await store.audit.append({
    at,
    directory,
    actor: 'passback-cloud',
    action: 'agent.alarm',
    target: id,
    detail: { alarm, ...(cmd !== undefined && { cmd }) },
  });
  return { isNew, alarm };
}
