import { signedHash } from '../../protocol/digest.ts';
import type { OutcomeClaims } from '../../protocol/outcome.ts';
import type { Moment, TrailLink } from '../store/records.ts';
import { raiseAlarm } from './alarm.ts';
import type { Core } from './core.ts';
import { extendTrail, giveUpGaps, type TrailStep } from './outcome-trail.ts';

export type NewLink = TrailLink & { readonly epoch: string };

/** What a signed outcome is in its agent's trail; undefined for one that is not chained. */
export function linkOf({ chain }: OutcomeClaims, signed: string, at: Moment): NewLink | undefined {
  return chain && { ...chain, hash: signedHash(signed), at };
}

/** Whose trail it is, and of which operation the outcome is. */
export interface Whose {
  readonly id: string;
  readonly directory: string;
  readonly cmd?: string | undefined;
}

type Books = Pick<Core, 'store' | 'log' | 'clock'>;

/**
 * Adds a verified outcome to the stored trail of the agent that signed it, with an alarm when it
 * does not fit. Resolves with whether it is news. To be called inside a transaction, on its store.
 */
export async function extendStoredTrail(
  books: Books,
  whose: Whose,
  link: NewLink,
): Promise<boolean> {
  const known = await books.store.agents.trail(whose.id);
  if (known === undefined) return false;
  const step = extendTrail(known, link);
  const isNew = step.trail !== known;
  await keep(books, whose, { ...step, isNew });
  return isNew;
}

/** The same for several agents' outcomes, those of one agent in their order here. */
export async function extendStoredTrails(
  books: Books,
  news: readonly { readonly whose: Whose; readonly link: NewLink }[],
): Promise<void> {
  // In the order of the agents, so that two who hold several do not wait for each other.
  const agents = [...new Set(news.map(({ whose }) => whose.id))].sort();
  for (const id of agents) {
    const known = await books.store.agents.trail(id);
    if (known === undefined) continue;
    let trail = known;
    for (const { whose, link } of news.filter((each) => each.whose.id === id)) {
      const step = extendTrail(trail, link);
      ({ trail } = step);
      if (step.alarm !== undefined) await raiseAlarm(books, whose, step.alarm, whose.cmd);
    }
    if (trail !== known) await books.store.agents.update(id, { trail });
  }
}

/**
 * Goes on, with an alarm, behind what has been missing for too long. Resolves with whether that was
 * so. To be called inside a transaction, on its store.
 */
export async function giveUpStoredGaps(books: Books, whose: Whose): Promise<boolean> {
  const known = await books.store.agents.trail(whose.id);
  if (known === undefined) return false;
  const step = giveUpGaps(known, books.clock.now());
  const isOver = step.alarm !== undefined;
  await keep(books, whose, { ...step, isNew: isOver });
  return isOver;
}

async function keep(
  books: Books,
  whose: Whose,
  { trail, alarm, isNew }: TrailStep & { readonly isNew: boolean },
): Promise<void> {
  if (isNew) await books.store.agents.update(whose.id, { trail });
  if (alarm !== undefined) await raiseAlarm(books, whose, alarm, whose.cmd);
}
