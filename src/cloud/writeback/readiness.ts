import { timestamp } from '../../protocol/shapes.ts';
import type { Core } from './core.ts';

const PING_WITHIN_MS = 2_000;

/** Why the service cannot do its work now, in words; undefined when it can. Never rejects. */
export async function readiness(
  { store, keys, clock }: Pick<Core, 'store' | 'keys' | 'clock'>,
  draining: AbortSignal,
): Promise<string | undefined> {
  if (draining.aborted) return 'it is stopping';
  const { expiresAt } = keys.keySet;
  if (expiresAt <= clock.now()) {
    return `its key set ended at ${timestamp(expiresAt)} and agents take no command: run \`passback-cloud keys rotate\``;
  }
  const over = new AbortController();
  const late = clock.sleep(PING_WITHIN_MS, over.signal).then(() => false);
  const answers = store.ping().then(
    () => true,
    () => false, // the log of the next request says why
  );
  const isThere = await Promise.race([answers, late]);
  over.abort();
  return isThere ? undefined : 'its database does not answer';
}
