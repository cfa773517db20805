import { messageOf } from '../support/errors.ts';
import type { Commander } from './commands/commander.ts';
import type { Parts } from './parts.ts';
import type { Reporter } from './reporter.ts';

/** Does not wait for the night. */
const LARGE_JOURNAL_BYTES = 16 * 2 ** 20;

/** What nobody asks about any more must not keep the agent `degraded` for ever. Never rejects. */
export async function settleLeftOvers({ log }: Parts, commander: Commander): Promise<void> {
  try {
    await commander.settleLeftOvers();
  } catch (error) {
    log.warn('operation.unresolved', { reason: messageOf(error) }); // the next minute tries again
  }
}

/** Goes on after the disk was full, once it is not. Never rejects. */
export async function makeRoom({ journal, log }: Parts): Promise<void> {
  try {
    await journal.makeRoom();
  } catch (error) {
    log.error('journal.full', { reason: messageOf(error) });
  }
}

/** Lets the journal forget what nobody can ask for any more. Never rejects. */
export async function compactJournal(
  { journal, log, clock }: Parts,
  when: 'hourly' | 'daily',
): Promise<void> {
  if (when === 'hourly' && journal.size < LARGE_JOURNAL_BYTES) return;
  const before = journal.size;
  try {
    await journal.compact(clock.now());
    log.info('journal.compacted', { before, after: journal.size });
  } catch (error) {
    // The old one goes on, and the next time tries again.
    log.error('journal.compaction_failed', { reason: messageOf(error) });
  }
}

/** Replaces a sealing key that has come of age and deletes what is kept no longer. Never rejects. */
export async function rotateKeys(
  { identity: { sealing }, log, clock }: Parts,
  reporter: Reporter,
): Promise<void> {
  try {
    if ((await sealing.keepFresh(clock.now())) === 'kept') return;
    log.info('keys.rotated', { sealing: sealing.currentKid });
    await reporter.tellSealingKey();
  } catch (error) {
    // The old key goes on working and is tried again in a while.
    log.error('keys.rotation_failed', { reason: messageOf(error) });
  }
}
