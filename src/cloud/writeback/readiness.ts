import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import { inTime } from '../../support/in-time.ts';
import type { Core } from './core.ts';

const PING_WITHIN_MS = 2_000;

/** Why the service cannot do its work now, in words; undefined when it can. Never rejects. */
export async function readiness(
  core: Pick<Core, 'store' | 'keys' | 'clock'>,
  draining: AbortSignal,
): Promise<string | undefined> {
  return ownFault(core, draining, await databaseProblem(core));
}

/** The same, of a database whose problem is known. */
export function ownFault(
  { keys, clock }: Pick<Core, 'keys' | 'clock'>,
  draining: AbortSignal,
  problem: string | undefined,
): string | undefined {
  if (draining.aborted) return 'it is stopping';
  const { expiresAt } = keys.keySet;
  if (expiresAt <= clock.now()) {
    return `its key set ended at ${timestamp(expiresAt)} and agents take no command: run \`passback-cloud keys rotate\``;
  }
  return problem === undefined ? undefined : `its database does not answer: ${problem}`;
}

/** Why the database cannot be used now; undefined when it can. Never rejects. */
export async function databaseProblem({
  store,
  clock,
}: Pick<Core, 'store' | 'clock'>): Promise<string | undefined> {
  const answers = store.ping().then(
    () => undefined,
    (error: unknown) => messageOf(error).replace(/^store: /, ''),
  );
  const late = (): string => `nothing came within ${PING_WITHIN_MS / 1000} s`;
  return await inTime(answers, { ms: PING_WITHIN_MS, clock, late });
}
