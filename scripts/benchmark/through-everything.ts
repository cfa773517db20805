import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, type Client } from 'ldapts';
import type { Lab } from '../../test/lab/lab.ts';
import { startLab } from '../../test/lab/start-lab.ts';
import { Stack } from '../../test/support/stack.ts';
import { Api } from './api.ts';
import { spread, type Spread } from './statistics.ts';

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
  /** Resets of each kind and number of callers; a multiple of the rounds. */
  readonly resets: number;
  readonly progress: (line: string) => void;
}

/** Kinds take turns, so that a slow minute of the machine slows both. */
const ROUNDS = 4;

/** Ordinary people with a lane each: nobody waits for somebody else's account. */
const LANES = ['anna', 'ben', 'clara', 'hash', 'obrien', 'slash', 'emoji', 'quotes'];

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
    const results: ThroughEverything[] = [];
    for (const callers of options.callers) {
      progress(`${callers} callers, ${options.resets} resets each way`);
      results.push(await measure({ lab, api, callers, resets: options.resets }));
    }
    await checkWrites(lab);
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
  readonly resets: number;
}

async function measure({ lab, api, callers, resets }: Run): Promise<ThroughEverything> {
  const lanes = LANES.slice(0, callers).map((sam) => lab.person(sam).objectGuid);
  const clients = await Promise.all(lanes.map(() => boundClient(lab)));
  const each = Math.ceil(resets / ROUNDS / callers);
  const through: number[] = [];
  const plain: number[] = [];
  const seconds = { through: 0, plain: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    // What a person does before the clock starts: ask, type, seal.
    for (const turn of Array.from({ length: each }, (_, i) => i)) {
      const ready = await Promise.all(
        lanes.map((guid) => api.prepare(guid, `Through-${round}-${turn}-Keys`)),
      );
      seconds.through += await timed(() =>
        Promise.all(ready.map(async (one) => through.push(await timed(() => api.apply(one))))),
      );
    }
    for (const turn of Array.from({ length: each }, (_, i) => i)) {
      seconds.plain += await timed(() =>
        Promise.all(
          clients.map(async (client, i) =>
            plain.push(
              await timed(() => modify(client, lanes[i] ?? '', `Plain-${round}-${turn}-Keys`)),
            ),
          ),
        ),
      );
    }
  }
  await Promise.all(clients.map((client) => client.unbind()));
  return {
    callers,
    resets: through.length,
    through: spread(through),
    plain: spread(plain),
    throughPerSecond: through.length / (seconds.through / 1000),
    plainPerSecond: plain.length / (seconds.plain / 1000),
  };
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

/** The directory's own count: nothing that was measured was imagined. */
async function checkWrites(lab: Lab): Promise<void> {
  const writes = [...(await lab.passwordWrites()).values()].reduce((sum, n) => sum + n, 0);
  if (writes === 0) throw new Error('the controller has written no password at all');
}
