import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ServiceKeys } from '../../src/cloud/keys/service-keys.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import { StoreError, type Store } from '../../src/cloud/store/store.ts';
import type { OperationRecord, OperationResult } from '../../src/cloud/store/records.ts';
import { Together } from '../../src/cloud/store/together.ts';
import type { AgentSession, AgentSessions } from '../../src/cloud/writeback/agent-session.ts';
import type { Core } from '../../src/cloud/writeback/core.ts';
import { Dispatcher } from '../../src/cloud/writeback/dispatcher.ts';
import type { Meters } from '../../src/cloud/writeback/meters.ts';
import { NotOurs, soleRelay } from '../../src/cloud/writeback/relay.ts';
import { submitAll, type Submitting } from '../../src/cloud/writeback/submit.ts';
import { addDirectory } from '../../src/cloud/setup/add-directory.ts';
import { Rounds } from '../../src/support/rounds.ts';
import { sampleAgent, sampleOperation } from '../contract/store-contract.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { signingPair } from '../support/service-keys.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const AGENT = '00000000-0000-4000-8000-00000000000a';
const ACCOUNT = '00000000-0000-4000-8000-00000000000b';
const FIRST = '00000000-0000-4000-8000-000000000001';
const SECOND = '00000000-0000-4000-8000-000000000002';
const APPLIED: OperationResult = { state: 'applied', final: true, code: 'APPLIED' };
const RETRIED_AFTER_MS = 5_000;

let folder: TemporaryFolder;
let store: Store;
let clock: FakeClock;
let rounds: Rounds;
let dispatcher: Dispatcher;
/** What became of each operation that was handed over. */
let follow: (operation: OperationRecord) => Promise<OperationRecord | undefined>;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openSqliteStore(join(folder.path, 'cloud.db'));
  clock = new FakeClock(undefined, { autoAdvance: false });
  rounds = new Rounds(clock);
  await addDirectory(store, 'corp', clock.now());
  await store.agents.add(sampleAgent(AGENT));
  dispatcher = new Dispatcher(await makeCore());
});

afterEach(async () => {
  await dispatcher.close(0);
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** A node whose only agent is another node's, so that a dispatch is followed in the database. */
async function makeCore(): Promise<Core> {
  const session = {
    ...{ id: randomUUID(), agentId: AGENT, directory: 'corp', node: 'other', approved: true },
    ...{ healthy: true, leaving: false, closed: new AbortController().signal },
    agentMonotonicMs: () => 0,
  } as AgentSession;
  const core = {
    issuer: 'https://reset.example',
    ...{ store, clock, log: new MemoryLog(), rounds },
    keys: { signing: (await signingPair()).signing } as Partial<ServiceKeys> as ServiceKeys,
    sessions: {
      approved: () => [session],
      onChange: () => () => undefined,
    } as Partial<AgentSessions> as AgentSessions,
    meters: { operationEnded: () => undefined } as Partial<Meters> as Meters,
    submissions: new Together((submitting: readonly Submitting[]) => submitAll(core, submitting)),
    relay: {
      ...soleRelay(store, () => clock.now()),
      follow: (operation: OperationRecord) => follow(operation),
      asRunner: async <T>(operation: OperationRecord, work: (inside: Store) => Promise<T>) => {
        if ((await store.operations.find(operation.id))?.final !== true) {
          return store.atomically(work);
        }
        throw new NotOurs('it is over');
      },
    },
  } as Partial<Core> as Core;
  return core;
}

async function handIn(id: string): Promise<void> {
  const notAfter = clock.now() + 300_000;
  await store.operations.prepare({
    ...sampleOperation(id),
    ...{ op: 'unlock', objectGuid: ACCOUNT, notAfter, recipients: [{ agent: AGENT, kid: '' }] },
  });
  const operation = await store.operations.find(id);
  if (operation === undefined) throw new Error(`${id} was not prepared`);
  await dispatcher.submit(operation, undefined);
}

async function write(operation: OperationRecord): Promise<OperationRecord | undefined> {
  await store.operations.finish(operation.id, APPLIED, clock.now());
  return store.operations.find(operation.id);
}

/** The node writes down what came of the first operation, and its database goes before it says so. */
async function failAfterCommit(id: string): Promise<void> {
  let failed = false;
  follow = async (operation) => {
    if (operation.id !== id) return write(operation);
    await write(operation);
    failed = true;
    throw new StoreError('store: the connection is gone');
  };
  await handIn(id);
  await eventually(() => failed && clock.sleeping > 0);
}

test('an operation whose end nobody heard of leaves the account to the next one', async () => {
  await failAfterCommit(FIRST);
  const waiting = dispatcher.waitFor(FIRST, 60_000, new AbortController().signal);
  await handIn(SECOND);
  clock.advance(RETRIED_AFTER_MS);
  const second = await eventually(async () => {
    const found = await store.operations.find(SECOND);
    return found?.final === true && found;
  });
  expect(second).toMatchObject({ state: 'applied' });
  expect(await waiting).toMatchObject({ state: 'applied' });
});

test('so does one that another node has ended while this one waits to try again', async () => {
  await failAfterCommit(FIRST);
  await handIn(SECOND);
  const first = await store.operations.find(FIRST);
  if (first === undefined) throw new Error('it is gone');
  dispatcher.hear(first);
  const second = await eventually(async () => {
    const found = await store.operations.find(SECOND);
    return found?.final === true && found;
  });
  expect(second).toMatchObject({ state: 'applied' });
});

/** Half an hour, looked at every five seconds as the service manager has it looked at. */
async function stuckWithinHalfAnHour(
  afterStep: () => Promise<unknown>,
): Promise<readonly string[]> {
  for (let passed = 0; passed < 30 * 60_000 && rounds.stuck.length === 0; passed += 5_000) {
    clock.advance(5_000);
    await afterStep();
  }
  return rounds.stuck;
}

test('a step that never ends is found stuck', async () => {
  let end: () => void = () => undefined;
  follow = () =>
    new Promise(
      (resolve) =>
        (end = () => {
          resolve(undefined);
        }),
    );
  await handIn(FIRST);
  expect(await stuckWithinHalfAnHour(nextTurn)).toEqual([
    expect.stringMatching(/^a step of an operation has not come round for 60\d s$/),
  ]);
  follow = write;
  end();
});

test('an operation whose every step fails with the database is tried again and again, and never found stuck', async () => {
  let tries = 0;
  follow = () => {
    tries += 1;
    return Promise.reject(new StoreError('store: PostgreSQL cannot be reached'));
  };
  await handIn(FIRST);
  const untilItRests = (): Promise<unknown> => eventually(() => clock.sleeping > 0);
  expect(await stuckWithinHalfAnHour(untilItRests)).toEqual([]);
  expect(tries).toBeGreaterThan(1);
});
