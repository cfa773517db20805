import { afterEach, beforeEach, expect, test } from 'vitest';
import { ClusterRelay, nodesOf } from '../../src/cloud/cluster/cluster-relay.ts';
import { takeOverOrphans } from '../../src/cloud/cluster/take-over.ts';
import { LEASE_MS } from '../../src/cloud/cluster/lease.ts';
import { openPostgresStore } from '../../src/cloud/store/postgres.ts';
import type { Nodes, SessionRecord } from '../../src/cloud/store/nodes.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import { systemClock } from '../../src/support/clock.ts';
import { sampleAgent, sampleOperation } from '../contract/store-contract.ts';
import { usePostgres } from '../lab/use-postgres.ts';
import { eventually } from '../support/eventually.ts';

const server = usePostgres();
const ACCOUNT = { directory: 'corp', objectGuid: 'g' };
const TOGGLE = { version: 1, enabled: true, reason: '', by: 'anna', at: 1 };

let store: Store;
let nodes: Nodes;
let database: string;

beforeEach(async () => {
  const place = await server.createDatabase();
  ({ database } = place);
  store = await openPostgresStore(place);
  nodes = nodesOf(store);
  await store.directories.add({ id: 'corp', createdAt: 1, toggle: TOGGLE });
  await store.agents.add(sampleAgent('a'));
  for (const id of ['n1', 'n2']) await nodes.nodes.join(id, 1_000);
});

afterEach(() => store[Symbol.asyncDispose]());

async function submitted(id: string, runner: string): Promise<void> {
  await store.operations.prepare(sampleOperation(id));
  await store.operations.submit([{ id, content: 'digest', runner }]);
}

test('a node that was ended stays so, and can decide nothing any more', async () => {
  await submitted('o', 'n1');
  const mayDecide = () =>
    store.atomically((inside) => nodesOf(inside).runners.mayDecide('n1', 'o'));
  expect(await mayDecide()).toBe(true);
  expect(await nodes.nodes.end(['n1', 'nobody'])).toEqual(['n1']);
  expect(await nodes.nodes.end(['n1'])).toEqual([]);
  expect(await nodes.nodes.beat('n1', 2_000)).toBe(false);
  expect(await mayDecide()).toBe(false);
  expect(await store.atomically((inside) => nodesOf(inside).runners.take('n1', [ACCOUNT]))).toBe(
    false,
  );
  expect(await nodes.nodes.list(LEASE_MS)).toMatchObject([{ id: 'n2', isLate: false }]);
});

test('whoever decides as a node is waited for by who ends it', async () => {
  await submitted('o', 'n1');
  const order: string[] = [];
  let ending: Promise<unknown> = Promise.resolve();
  await store.atomically(async (inside) => {
    await nodesOf(inside).runners.mayDecide('n1', 'o');
    ending = nodes.nodes.end(['n1']).then(() => order.push('ended'));
    const blocked = `select pid from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'`;
    await eventually(async () => (await server.query(database, blocked, [database])).length === 1);
    expect(await nodes.nodes.beat('n1', 2_000)).toBe(true); // a sign of life is not held up
    order.push('decided');
  });
  await ending;
  expect(order).toEqual(['decided', 'ended']);
});

test('only the node that runs an operation decides it, and only while it is not final', async () => {
  await submitted('o', 'n1');
  const mayDecide = (node: string) =>
    store.atomically((inside) => nodesOf(inside).runners.mayDecide(node, 'o'));
  expect(await mayDecide('n2')).toBe(false);
  await store.operations.finish('o', { state: 'applied', final: true }, 1);
  expect(await mayDecide('n1')).toBe(false);
});

test('a sign of life that is too old shows, by the clock of the database', async () => {
  await server.query(
    database,
    `update nodes set seen_at = seen_at - ${LEASE_MS} - 1 where id = 'n1'`,
  );
  const found = await nodes.nodes.list(LEASE_MS);
  expect(found.find(({ id }) => id === 'n1')?.isLate).toBe(true);
  expect(found.find(({ id }) => id === 'n2')?.isLate).toBe(false);
});

test('what a dead node had of one account goes to one node, whoever is faster, and was lost', async () => {
  for (const id of ['o1', 'o2', 'o3']) await submitted(id, 'n1');
  const dispatch = { jti: 'd', operation: 'o1', agent: 'a', session: 's', token: 't', at: 1 };
  await store.operations.addDispatch(dispatch);
  await nodes.nodes.join('n3', 0);
  await nodes.nodes.end(['n1']);
  const orphans = await nodes.runners.orphans();
  expect(orphans.map(({ id }) => id)).toEqual(['o1', 'o2', 'o3']);
  const [two, three] = await Promise.all(
    ['n2', 'n3'].map((own) => takeOverOrphans({ store, orphans, own, now: 77 })),
  );
  const taken = [...(two?.own ?? []), ...(three?.own ?? [])];
  expect(taken.sort()).toEqual(['o1', 'o2', 'o3']);
  expect([two?.own.length, three?.own.length].sort()).toEqual([0, 3]);
  expect(await nodes.runners.orphans()).toEqual([]);
  expect(await store.operations.dispatches('o1')).toMatchObject([{ lostAt: 77 }]);
});

test('a new operation goes to the node that runs the account, and after what that has not begun yet', async () => {
  const relayOf = (node: string): ClusterRelay =>
    new ClusterRelay({
      store,
      keys: () => {
        throw new Error('not needed');
      },
      clock: systemClock,
      own: () => node,
      tell: () => undefined,
    });
  const assign = (node: string) =>
    store.atomically(async (inside) => {
      await inside.operations.prepare(sampleOperation(`new-${node}`));
      const operation = await inside.operations.find(`new-${node}`);
      if (operation === undefined) throw new Error('not there');
      const [assigned] = await relayOf(node).assign(inside, [operation]);
      return assigned;
    });
  expect(await assign('n1')).toEqual({ runner: 'n1', isOwn: true, before: [] });
  await submitted('o', 'n1');
  expect(await assign('n2')).toEqual({ runner: 'n1', isOwn: false, before: [] });
  await nodes.nodes.end(['n1']);
  await expect(assign('n1')).rejects.toMatchObject({ code: 'STORE_FAILED' });
  await nodes.nodes.join('n3', 0);
  expect(await assign('n3')).toEqual({ runner: 'n3', isOwn: true, before: ['o'] });
});

test('the node of a session finds what was handed to it, with all that was handed over before', async () => {
  await submitted('o', 'n1');
  const dispatch = { operation: 'o', agent: 'a', session: 's', token: 't' };
  await store.operations.addDispatch({ ...dispatch, jti: 'd1', at: 1 });
  const relay = { node: 'n2', command: 'wrapped' };
  await store.operations.addDispatch({ ...dispatch, jti: 'd2', at: 2, relay });
  const find = (node: string) => nodes.relayed.find(node, ['nothing', 'd1', 'd2']);
  expect(await find('n2')).toMatchObject([
    undefined,
    undefined,
    { operation: { id: 'o' }, record: { jti: 'd2' }, command: 'wrapped', others: [{ jti: 'd1' }] },
  ]);
  expect(await find('n1')).toEqual([undefined, undefined, undefined]);
  await store.operations.updateDispatch('d2', { answeredAt: 3, code: 'PAUSED', answer: 'a.b.c' });
  expect(await find('n2')).toEqual([undefined, undefined, undefined]);
  expect(await nodes.relayed.follow(['d2', 'nothing'])).toMatchObject([
    { operation: { id: 'o' }, record: { answeredAt: 3 } },
    undefined,
  ]);
});

test('several accounts are taken together, by nodes that take them in any order', async () => {
  const accounts = ['g1', 'g2', 'g3'].map((objectGuid) => ({ directory: 'corp', objectGuid }));
  const orders = Array.from({ length: 20 }, (_, at) =>
    at % 2 === 0 ? accounts : accounts.toReversed(),
  );
  const taken = orders.map((order) =>
    store.atomically((inside) => nodesOf(inside).runners.take('n1', order)),
  );
  expect(await Promise.all(taken)).not.toContain(false);
});

test('an agent has one session: it is entered once, and in place of one on a dead node', async () => {
  const session = (node: string, id: string): SessionRecord => ({
    agent: 'a',
    directory: 'corp',
    node,
    session: id,
    approved: true,
    healthy: true,
    aheadMs: 5,
  });
  const first = await nodes.sessions.enter(session('n1', 's1'), LEASE_MS);
  expect(first).toBeGreaterThan(0);
  expect(await nodes.sessions.enter(session('n2', 's2'), LEASE_MS)).toBeUndefined();
  const again = (await nodes.sessions.enter(session('n1', 's3'), LEASE_MS)) ?? 0;
  expect(again).toBeGreaterThan(first ?? 0);
  await nodes.sessions.leave('a', 's1'); // the one before: nothing happens
  expect(await nodes.sessions.find(['a'])).toMatchObject([
    { session: 's3', node: 'n1', aheadMs: 5 },
  ]);
  expect(await nodes.sessions.fingerprint('n2', 'others')).toEqual({ count: 1, sum: again });
  await nodes.sessions.takeOver('a', 's3', { node: 'n2', session: '' });
  expect(await nodes.sessions.enter(session('n1', 's4'), LEASE_MS)).toBeUndefined();
  expect(await nodes.sessions.enter(session('n2', 's5'), LEASE_MS)).toBeGreaterThan(again);
  await nodes.nodes.end(['n2']);
  expect(await nodes.sessions.list('n1', 'others')).toEqual([]);
  expect(await nodes.sessions.enter(session('n1', 's6'), LEASE_MS)).toBeDefined();
});
