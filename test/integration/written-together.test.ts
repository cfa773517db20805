import { join } from 'node:path';
import { beforeEach, afterEach, expect, test } from 'vitest';
import { signedHash } from '../../src/protocol/digest.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import type { DispatchRecord, OperationRecord } from '../../src/cloud/store/records.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import type { Core } from '../../src/cloud/writeback/core.ts';
import { soleRelay } from '../../src/cloud/writeback/relay.ts';
import { settle, type Answer } from '../../src/cloud/writeback/settle.ts';
import { submitAll } from '../../src/cloud/writeback/submit.ts';
import { sampleAgent, sampleOperation } from '../contract/store-contract.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const TOGGLE = { version: 1, enabled: true, reason: '', by: 'anna', at: 1 };

let folder: TemporaryFolder;
let store: Store;
let core: Core;
let log: MemoryLog;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openSqliteStore(join(folder.path, 'db'));
  const clock = new FakeClock();
  log = new MemoryLog();
  // The rest of a core has no part in what is written down.
  core = { store, clock, log, relay: soleRelay(store, () => clock.now()) } as unknown as Core;
  await store.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE });
  await store.agents.add(sampleAgent('a'));
  await store.agents.update('a', { trail: { epoch: 'e', seq: 0, head: 'h', seen: 0, ahead: [] } });
});

afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function prepared(id: string): Promise<OperationRecord> {
  await store.operations.prepare(sampleOperation(id));
  const operation = await store.operations.find(id);
  if (operation === undefined) throw new Error('not there');
  return operation;
}

function dispatch(operation: string, jti: string): DispatchRecord {
  return { jti, operation, agent: 'a', session: 's', token: 't', at: 1 };
}

/** What the agent answers as its `seq`-th outcome. */
function answer(operation: OperationRecord, record: DispatchRecord, seq: number): Answer {
  const previous = seq === 1 ? 'h' : signedHash(`signed-${seq - 1}`);
  const outcome = {
    chain: { epoch: 'e', seq, previous },
    outcome: { status: 'applied', code: 'APPLIED', message: 'done', tookMs: 1 },
  } as OutcomeClaims; // what is not here was verified before
  return { operation, dispatch: { record, earlier: [] }, outcome, signed: `signed-${seq}` };
}

test('of what is handed in twice at one time the first counts', async () => {
  const [o, p] = [await prepared('o'), await prepared('p')];
  const submitting = [
    { operation: o, content: 'first', secret: undefined, first: dispatch('o', 'd1') },
    { operation: p, content: 'other', secret: undefined, first: undefined },
    { operation: o, content: 'second', secret: undefined, first: dispatch('o', 'd2') },
  ];
  const own = { runner: undefined, isOwn: true, before: [] };
  expect(await submitAll(core, submitting)).toEqual([own, own, undefined]);
  expect((await store.operations.find('o'))?.content).toBe('first');
  expect(await store.operations.dispatches('o')).toMatchObject([{ jti: 'd1' }]);
  expect(await submitAll(core, submitting)).toEqual([undefined, undefined, undefined]);
});

test('outcomes of one agent that are settled together extend its trail in their order', async () => {
  const answers: Answer[] = [];
  for (const [at, id] of ['o', 'p', 'q'].entries()) {
    const operation = await prepared(id);
    await submitAll(core, [
      { operation, content: 'c', secret: 's', first: dispatch(id, `d-${id}`) },
    ]);
    answers.push(answer(operation, dispatch(id, `d-${id}`), at + 1));
  }
  const ended = await settle(core, answers);
  expect(ended.map((each) => each?.state)).toEqual(['applied', 'applied', 'applied']);
  expect(await store.agents.trail('a')).toMatchObject({
    seq: 3,
    head: signedHash('signed-3'),
    ahead: [],
  });
  expect(log.lines.filter(({ event }) => event === 'cloud.agent_alarm')).toEqual([]);
  const { entries } = await store.audit.page('corp', 10);
  expect(entries.map(({ signed }) => signed)).toEqual(['signed-3', 'signed-2', 'signed-1']);
});

test('two answers to one operation at one time end it once, with one entry in the audit', async () => {
  const operation = await prepared('o');
  const [d1, d2] = [dispatch('o', 'd1'), { ...dispatch('o', 'd2'), at: 2 }];
  await submitAll(core, [{ operation, content: 'c', secret: 's', first: d1 }]);
  await store.operations.addDispatch(d2);
  const ended = await settle(core, [answer(operation, d1, 1), answer(operation, d2, 2)]);
  expect(ended.map((each) => each?.final)).toEqual([true, true]);
  expect(await store.operations.dispatches('o')).toMatchObject([
    { code: 'APPLIED', answer: 'signed-1' },
    { code: 'APPLIED', answer: 'signed-2' },
  ]);
  expect((await store.audit.page('corp', 10)).entries).toHaveLength(1);
});

test('what a person has closed meanwhile stays as it is', async () => {
  const operation = await prepared('o');
  await submitAll(core, [{ operation, content: 'c', secret: 's', first: dispatch('o', 'd1') }]);
  await store.operations.finish('o', { state: 'unknown', final: true }, 1);
  const [ended] = await settle(core, [answer(operation, dispatch('o', 'd1'), 1)]);
  expect(ended).toMatchObject({ state: 'unknown', final: true });
  expect((await store.audit.page('corp', 10)).entries).toEqual([]);
});
