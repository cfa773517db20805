import { beforeEach, expect, test } from 'vitest';
import { ConnectionPool, type Pooled } from '../../../../src/agent/directory/connection-pool.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const NEVER = new AbortController().signal;
const MINUTE = 60_000;

class FakeConnection implements Pooled {
  usable = true;
  closed = false;
  lastUsed: number;
  readonly openedAt: number;

  constructor() {
    this.openedAt = clock.monotonic();
    this.lastUsed = this.openedAt;
  }

  get idleMs(): number {
    return clock.monotonic() - this.lastUsed;
  }

  get ageMs(): number {
    return clock.monotonic() - this.openedAt;
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    this.usable = false;
    this.closed = true;
  }
}

let clock: FakeClock;
let opened: FakeConnection[];
let probed: FakeConnection[];

beforeEach(() => {
  clock = new FakeClock(undefined, { autoAdvance: false });
  opened = [];
  probed = [];
});

function pool(size = 2, probe: 'alive' | 'dead' = 'alive'): ConnectionPool<FakeConnection> {
  return new ConnectionPool({
    open: async () => {
      const connection = new FakeConnection();
      opened.push(connection);
      return connection;
    },
    probe: async (connection) => {
      probed.push(connection);
      if (probe === 'dead') throw new Error('dead');
    },
    size,
    waitMs: 1_000,
    clock,
  });
}

async function use(connections: ConnectionPool<FakeConnection>): Promise<FakeConnection> {
  return connections.use(async (connection) => {
    connection.lastUsed = clock.monotonic();
    return connection;
  }, NEVER);
}

test('a connection is used again', async () => {
  const connections = pool();
  expect(await use(connections)).toBe(await use(connections));
  expect(probed).toEqual([]);
});

test('never more than the limit are lent, and the others wait their turn', async () => {
  const connections = pool(2);
  const order: number[] = [];
  const releases: (() => void)[] = [];
  const users = [0, 1, 2, 3].map((n) =>
    connections.use(async () => {
      order.push(n);
      await new Promise<void>((resolve) => releases.push(resolve));
    }, NEVER),
  );
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1]);
  while (releases.length > 0) {
    releases.shift()?.();
    await new Promise(setImmediate);
  }
  await Promise.all(users);
  expect(order).toEqual([0, 1, 2, 3]);
  expect(opened).toHaveLength(2);
});

test('who waits too long is told, and does not lose a place', async () => {
  const connections = pool(1);
  let release: () => void = () => undefined;
  const held = connections.use(() => new Promise<void>((resolve) => (release = resolve)), NEVER);
  await new Promise(setImmediate);
  const waiting = expect(use(connections)).rejects.toThrow('busy for 1000 ms');
  await new Promise(setImmediate);
  clock.advance(1_000);
  await waiting;
  release();
  await held;
  await expect(use(connections)).resolves.toBe(opened[0]);
});

test('one that broke in use is not lent again', async () => {
  const connections = pool();
  await connections.use(async (connection) => {
    connection.usable = false;
  }, NEVER);
  expect(opened[0]?.closed).toBe(true);
  expect(await use(connections)).toBe(opened[1]);
});

test('one that idled a while is probed before it is lent', async () => {
  const connections = pool();
  const first = await use(connections);
  clock.advance(16_000);
  expect(await use(connections)).toBe(first);
  expect(probed).toEqual([first]);
});

test('one that fails the probe is replaced', async () => {
  const connections = pool(2, 'dead');
  const first = await use(connections);
  clock.advance(16_000);
  expect(await use(connections)).not.toBe(first);
  expect(first.closed).toBe(true);
});

test('idle ones are closed after five minutes', async () => {
  const connections = pool();
  const first = await use(connections);
  for (let minute = 0; minute < 6; minute++) {
    clock.advance(MINUTE);
    await new Promise(setImmediate);
  }
  expect(first.closed).toBe(true);
  expect(clock.sleeping).toBe(0);
});

test('none lives longer than half an hour, however busy', async () => {
  const connections = pool();
  const first = await use(connections);
  for (let minute = 0; minute < 31; minute++) {
    clock.advance(MINUTE);
    await new Promise(setImmediate);
    await use(connections);
  }
  expect(first.closed).toBe(true);
  expect(opened).toHaveLength(2);
});

test('warming opens one, and only when there is none', async () => {
  const connections = pool();
  await Promise.all([connections.warm(), connections.warm()]);
  expect(opened).toHaveLength(1);
  await connections.warm();
  expect(await use(connections)).toBe(opened[0]);
});

test('a failed opening is told to who asked, and forgotten', async () => {
  let failing = true;
  const connections = new ConnectionPool<FakeConnection>({
    open: async () => {
      if (failing) throw new Error('refused');
      return new FakeConnection();
    },
    probe: async () => undefined,
    size: 1,
    waitMs: 1_000,
    clock,
  });
  await connections.warm();
  await expect(use(connections)).rejects.toThrow('refused');
  failing = false;
  await expect(use(connections)).resolves.toBeInstanceOf(FakeConnection);
});

test('a closed pool closes what it has and lends nothing', async () => {
  const connections = pool();
  const first = await use(connections);
  await connections.use(async () => {
    await connections.close();
  }, NEVER);
  expect(first.closed).toBe(true);
  await expect(use(connections)).rejects.toThrow('closed');
  expect(clock.sleeping).toBe(0);
});
