import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, type Client } from 'ldapts';
import { writtenPasswords } from '../../test/lab/audit.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { startLab } from '../../test/lab/start-lab.ts';
import { Stack } from '../../test/support/stack.ts';
import { makeAccounts } from './accounts.ts';
import { Api, type PreparedReset } from './api.ts';
import { spread, type Spread } from './statistics.ts';
import { inParallel } from './work-pool.ts';

export interface ThroughEverything {
  readonly callers: number;
  readonly resets: number;
  /** From the PUT with the sealed secret to its outcome, milliseconds. */
  readonly through: Spread;
  /** The same modify by plain ldapts on a bound connection, milliseconds. */
  readonly plain: Spread;
  readonly throughPerSecond: number;
  readonly plainPerSecond: number;
}

export interface ThroughOptions {
  readonly callers: readonly number[];
  /** Resets of each kind and number of callers. */
  readonly resets: number;
  readonly progress: (line: string) => void;
}

/** Kinds take turns, so that a slow minute of the machine slows both. */
const ROUNDS = 4;

/** Resets of either kind that warm caches and compilers up before anything is measured. */
const WARM_UP = 400;

/** The agent answers questions in turn; more at once would only wait. */
const PREPARED_AT_ONCE = 4;

/** API call to outcome, through service, agent and real directory, against the modify alone. */
export async function measureThroughEverything(
  options: ThroughOptions,
): Promise<ThroughEverything[]> {
  const { progress } = options;
  const folder = await mkdtemp(join(tmpdir(), 'passback-bench-'));
  await using lab = await startLab({ progress });
  await using stack = await Stack.prepare({ lab: lab.description, folder });
  await stack.startCloud();
  const { agent, fingerprint } = await stack.enroll();
  await stack.startAgent();
  await stack.command(['agent', 'approve', agent, '--fingerprint', fingerprint]);
  const api = await Api.open(stack);
  try {
    const each = Math.ceil(options.resets / ROUNDS);
    progress(`making ${each} accounts`);
    const accounts = await makeAccounts(lab, each);
    progress(`warming up: ${WARM_UP} resets each way`);
    await measure({ lab, api, callers: 2, accounts, rounds: Math.ceil(WARM_UP / each) });
    const writesBefore = await countWrites(lab);
    const results: ThroughEverything[] = [];
    for (const callers of options.callers) {
      progress(`${callers} callers, ${each * ROUNDS} resets each way`);
      const run = { lab, api, callers, accounts, rounds: ROUNDS };
      results.push(await measure(run));
    }
    const measured = results.reduce((sum, { resets }) => sum + 2 * resets, 0);
    const written = (await countWrites(lab)) - writesBefore;
    if (written !== measured) throw new Error(`${measured} resets, but ${written} writes`);
    return results;
  } finally {
    api.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  readonly lab: Lab;
  readonly api: Api;
  readonly callers: number;
  /** One for each reset of a round: nobody waits for somebody else's account. */
  readonly accounts: readonly string[];
  readonly rounds: number;
}

/** Each caller goes on as soon as its own reset is done, with the next one made ready before. */
async function measure({ lab, api, callers, accounts, rounds }: Run): Promise<ThroughEverything> {
  const clients = await Promise.all(Array.from({ length: callers }, () => boundClient(lab)));
  const through: number[] = [];
  const plain: number[] = [];
  const seconds = { through: 0, plain: 0 };
  for (let round = 0; round < rounds; round++) {
    // What a person does before the clock starts: ask, type, seal.
    const ready = await prepareAll(api, accounts, `Through-${round}-Keys`);
    seconds.through += await inParallel(ready, callers, async (one) => {
      through.push(await timed(() => api.apply(one)));
    });
    seconds.plain += await inParallel(accounts, callers, async (guid, lane) => {
      const client = clients[lane];
      if (client === undefined) throw new RangeError('a lane without a connection');
      plain.push(await timed(() => modify(client, guid, `Plain-${round}-has-Keys`)));
    });
  }
  await Promise.all(clients.map((client) => client.unbind()));
  return {
    callers,
    resets: through.length,
    through: spread(through),
    plain: spread(plain),
    throughPerSecond: through.length / seconds.through,
    plainPerSecond: plain.length / seconds.plain,
  };
}

async function prepareAll(
  api: Api,
  accounts: readonly string[],
  password: string,
): Promise<readonly PreparedReset[]> {
  const ready: PreparedReset[] = [];
  await inParallel(accounts, PREPARED_AT_ONCE, async (guid) => {
    ready.push(await api.prepare(guid, password));
  });
  return ready;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function boundClient(lab: Lab): Promise<Client> {
  const client = lab.client();
  await client.bind(lab.serviceAccount.userPrincipalName, lab.serviceAccount.password);
  return client;
}

/** What a reset with unlock is on the wire, and nothing around it. */
function modify(client: Client, objectGuid: string, password: string): Promise<void> {
  const replace = (type: string, value: Buffer | string): Change =>
    new Change({
      operation: 'replace',
      modification: new Attribute({ type, values: [value] as Buffer[] | string[] }),
    });
  return client.modify(`<GUID=${objectGuid}>`, [
    replace('unicodePwd', Buffer.from(`"${password}"`, 'utf16le')),
    replace('lockoutTime', '0'),
  ]);
}

/** The directory's own count: nothing that is measured is imagined. */
async function countWrites(lab: Lab): Promise<number> {
  const written = await Promise.all(
    lab.controllers.map(({ containerId }) => writtenPasswords(containerId)),
  );
  return written.flat().filter(({ dn }) => dn.startsWith('cn=bench')).length;
}
