import { timestamp } from '../../protocol/shapes.ts';
import { messageOf } from '../../support/errors.ts';
import type { Core } from './core.ts';

const PING_WITHIN_MS = 2_000;

/** Why the service cannot do its work now, in words; undefined when it can. Never rejects. */
export async function readiness(
  core: Pick<Core, 'store' | 'keys' | 'clock'>,
  draining: AbortSignal,
): Promise<string | undefined> {
  return lapsed(core, draining) ?? ownFault(core, draining, await databaseProblem(core));
}

/** The same, of a database that was asked already. */
export function ownFault(
  core: Pick<Core, 'keys' | 'clock'>,
  draining: AbortSignal,
  problem: string | undefined,
): string | undefined {
  const database = problem === undefined ? undefined : `its database does not answer: ${problem}`;
  return lapsed(core, draining) ?? database;
}

function lapsed(
  { keys, clock }: Pick<Core, 'keys' | 'clock'>,
  draining: AbortSignal,
): string | undefined {
  if (draining.aborted) return 'it is stopping';
  const { expiresAt } = keys.keySet;
  if (expiresAt > clock.now()) return undefined;
  return `its key set ended at ${timestamp(expiresAt)} and agents take no command: run \`passback-cloud keys rotate\``;
}

/** Why the database cannot be used now; undefined when it can. Never rejects. */
export async function databaseProblem({
  store,
  clock,
}: Pick<Core, 'store' | 'clock'>): Promise<string | undefined> {
  const over = new AbortController();
  const late = clock
    .sleep(PING_WITHIN_MS, over.signal)
    .then(() => `nothing came within ${PING_WITHIN_MS / 1000} s`);
  const answers = store.ping().then(
    () => undefined,
    (error: unknown) => messageOf(error).replace(/^store: /, ''),
  );
  const problem = await Promise.race([answers, late]);
  over.abort();
  return problem;
}
