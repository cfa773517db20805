import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentFleet, type FleetAgent } from '../support/agent-fleet.ts';
import {
  prepareOperation,
  submitOperation,
  type OperationAnswer,
  type Prepared,
} from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { SkippingClock } from '../support/skipping-clock.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

const PEOPLE = 24;
const FENCE_MS = 15_000;

let clock: SkippingClock;
let cloud: TestCloud;
let directory: FakeDirectory;
let people: readonly string[];
let fleet: AgentFleet;

beforeEach(async () => {
  clock = new SkippingClock();
  cloud = await startTestCloud({ clock });
  directory = new FakeDirectory();
  people = Array.from({ length: PEOPLE }, (_, n) =>
    directory.add({ sam: `person${n}`, password: 'Old-Password-1' }),
  );
  fleet = await AgentFleet.start(cloud, directory, 3);
});

afterEach(async () => {
  await fleet[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

function prepare(objectGuid: string): Promise<Prepared> {
  return prepareOperation(cloud, { account: { objectGuid } });
}

async function reset(objectGuid: string): Promise<OperationAnswer> {
  return (await submitOperation(cloud, await prepare(objectGuid))).body;
}

async function look(operation: string): Promise<OperationAnswer> {
  return (await cloud.call('GET', `operations/${operation}`)).body as OperationAnswer;
}

/** The agent that an account belongs to. */
async function ownerOf(objectGuid: string): Promise<FleetAgent> {
  return fleet.find((await reset(objectGuid)).agent);
}

function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('the process is gone'));
    });
  });
}

test('accounts are spread over all agents, and each stays with its own', async () => {
  const owners = new Map<string, string | undefined>();
  for (const person of people) owners.set(person, (await reset(person)).agent);
  expect(new Set(owners.values())).toEqual(new Set(fleet.agents.map(({ id }) => id)));
  const again = await Promise.all(people.slice(0, 6).map(reset));
  expect(again.map(({ agent }) => agent)).toEqual([...owners.values()].slice(0, 6));
});

test('the accounts of an agent that is away go to the others, and nobody else moves', async () => {
  const before = await Promise.all(people.map(async (each) => (await reset(each)).agent));
  const [gone] = fleet.agents;
  await gone?.agent.stop();
  const after = await Promise.all(people.map(async (each) => (await reset(each)).agent));
  const moved = after.filter((agent, n) => agent !== before[n]);
  expect(after).not.toContain(gone?.id);
  expect(moved).toHaveLength(before.filter((agent) => agent === gone?.id).length);
});

test.each([
  ['after it has written', true],
  ['before it has written', false],
])(
  'an agent lost %s: another one takes over after the fence, with one effect',
  async (_, wrote) => {
    const [ann = ''] = people;
    const owner = await ownerOf(ann);
    const before = directory.passwordWrites(ann);
    let writing = false;
    owner.directory.onApply = async (target, change, signal) => {
      if (wrote) await directory.apply(target, change, signal);
      writing = true;
      return never(signal);
    };
    const prepared = await prepare(ann);
    await submitOperation(cloud, prepared, { waitS: 0 });
    await eventually(() => writing);
    await owner.agent.kill().catch(() => undefined);
    await eventually(async () => !(await fleet.connected()).includes(owner.id));

    clock.skip(FENCE_MS - 3_000);
    expect(await look(prepared.operation)).toMatchObject({ status: 'pending' });
    clock.skip(3_000);
    const done = await eventually(async () => {
      const found = await look(prepared.operation);
      expect(found.status).not.toBe('pending');
      return found;
    }, 20_000);
    expect(done).toMatchObject({ status: 'applied', code: 'APPLIED' });
    expect(done.agent).not.toBe(owner.id);
    expect(directory.passwordWrites(ann) - before).toBe(1);
  },
);

test('agents restarted one after the other under load: nothing is refused, lost or done twice', async () => {
  const load = new AbortController();
  const done: (OperationAnswer & { readonly ms: number; readonly person: string })[] = [];
  const caller = async (mine: readonly string[]): Promise<void> => {
    for (let n = 0; !load.signal.aborted; n += 1) {
      const person = mine[n % mine.length] ?? '';
      const startedAt = performance.now();
      done.push({ ...(await reset(person)), person, ms: performance.now() - startedAt });
    }
  };
  const callers = [0, 1, 2, 3].map((n) => caller(people.filter((_, at) => at % 4 === n)));
  const running = Promise.all(callers);
  for (const each of fleet.agents) {
    const before = done.length;
    await each.agent.stop();
    await eventually(() => done.length > before + 3, 20_000);
    await fleet.start(each);
    await eventually(() => done.length > before + 6, 20_000);
  }
  load.abort();
  await running;
  const strange = done.filter(({ status }) => status !== 'applied');
  expect(strange).toEqual([]);
  for (const person of people) {
    const told = done.filter((each) => each.person === person).length;
    expect(directory.passwordWrites(person)).toBe(told);
  }
  expect(Math.max(...done.map(({ ms }) => ms))).toBeLessThan(10_000);
}, 60_000);
