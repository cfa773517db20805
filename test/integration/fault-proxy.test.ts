import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FaultProxy, type Fault } from '../support/fault-proxy.ts';

let server: Server;
let proxy: FaultProxy;
let clock: FakeClock;
let heardByServer: string;
let served: Socket[];

beforeEach(async () => {
  heardByServer = '';
  served = [];
  clock = new FakeClock(undefined, { autoAdvance: false });
  server = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => (heardByServer += data.toString()));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  proxy = await FaultProxy.start({ host: '127.0.0.1', port }, clock);
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  for (const socket of served) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

class Caller {
  readonly socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  heard = '';
  fate: 'open' | 'ended' | 'reset' = 'open';

  constructor() {
    this.socket.on('data', (data) => (this.heard += data.toString()));
    this.socket.on('end', () => (this.fate = 'ended'));
    this.socket.on('error', () => (this.fate = 'reset'));
  }

  /** Resolves when both ends are connected. */
  static async open(): Promise<Caller> {
    const before = served.length;
    const caller = new Caller();
    await eventually(() => served.length > before && proxy.open > before);
    return caller;
  }
}

function answer(text: string): void {
  served.at(-1)?.write(text);
}

test('without a fault both directions carry everything, and an end reaches the other side', async () => {
  const caller = await Caller.open();
  const long = 'x'.repeat(300_000);
  caller.socket.end(long);
  await eventually(() => heardByServer === long);
  served.at(-1)?.end('goodbye');
  await eventually(() => caller.heard === 'goodbye' && caller.fate === 'ended');
  await eventually(() => proxy.open === 0);
});

test('a cut is a reset at both ends, not an end', async () => {
  const caller = await Caller.open();
  proxy.inflict({ kind: 'cut' });
  await eventually(() => caller.fate === 'reset' && served[0]?.errored instanceof Error);
  expect(proxy.open).toBe(0);
});

test('a cut after some bytes lets exactly these through, counted over chunks', async () => {
  const caller = await Caller.open();
  proxy.inflict({ kind: 'cut-after', direction: 'up', bytes: 5 });
  caller.socket.write('abc');
  await eventually(() => heardByServer === 'abc');
  expect(caller.fate).toBe('open');
  caller.socket.write('defg');
  await eventually(() => caller.fate === 'reset');
  await eventually(() => heardByServer === 'abcde');
});

test('a cut that a connection ended too early for comes to the next one, after what is left of its bytes', async () => {
  const first = await Caller.open();
  proxy.inflict({ kind: 'cut-after', direction: 'up', bytes: 5 });
  first.socket.write('abc');
  await eventually(() => heardByServer === 'abc');
  first.socket.resetAndDestroy();
  await eventually(() => proxy.open === 0);
  expect([proxy.inflicted.length, proxy.waiting]).toEqual([0, 1]);

  const second = new Caller();
  await eventually(() => served.length === 2 && proxy.open === 1);
  second.socket.write('defg');
  await eventually(() => second.fate === 'reset');
  await eventually(() => heardByServer === 'abcde');
  expect(proxy.inflicted.map(({ kind }) => kind)).toEqual(['cut-after']);
});

test('each fault that came is counted once, and one that found nothing to break is not', async () => {
  const caller = await Caller.open();
  proxy.inflict({ kind: 'half-close', direction: 'down' });
  proxy.inflict({ kind: 'half-close', direction: 'down' });
  await eventually(() => caller.fate === 'ended');
  proxy.inflict({ kind: 'cut-after', direction: 'up', bytes: 9 });
  proxy.inflict({ kind: 'cut' });
  expect(proxy.inflicted.map(({ kind }) => kind)).toEqual(['half-close', 'cut']);
  await eventually(() => proxy.waiting === 2);
});

test('a request that arrives can lose its answer', async () => {
  const caller = await Caller.open();
  proxy.inflict({ kind: 'cut-after', direction: 'down', bytes: 0 });
  caller.socket.write('write it');
  await eventually(() => heardByServer === 'write it');
  answer('written');
  await eventually(() => caller.fate === 'reset');
  expect(caller.heard).toBe('');
});

test('half a close ends one direction and leaves the other one', async () => {
  const caller = await Caller.open();
  proxy.inflict({ kind: 'half-close', direction: 'down' });
  await eventually(() => caller.fate === 'ended');
  caller.socket.write('still talking');
  await eventually(() => heardByServer === 'still talking');
});

test.each([
  ['stall', { kind: 'stall', direction: 'up', ms: 5_000 }],
  ['delay', { kind: 'delay', direction: 'up', ms: 5_000, forMs: 60_000 }],
] as const)(
  'during a %s of one direction nothing arrives there and the other one goes on',
  async (_, fault) => {
    const caller = await Caller.open();
    proxy.inflict(fault satisfies Fault);
    caller.socket.write('late');
    answer('in time');
    await eventually(() => caller.heard === 'in time');
    expect(heardByServer).toBe('');
    await eventually(() => {
      clock.advance(1_000);
      return heardByServer === 'late';
    });
  },
);

test('a fault while nobody is connected waits for the next connection, and for one only', async () => {
  proxy.inflict({ kind: 'cut' });
  expect(proxy.waiting).toBe(1);
  const unlucky = new Caller();
  await eventually(() => unlucky.fate === 'reset');
  await Caller.open();
  expect(proxy).toMatchObject({ open: 1, waiting: 0 });
});

test('of several connections the picked one suffers', async () => {
  const [first, second] = [await Caller.open(), await Caller.open()];
  proxy.inflict({ kind: 'cut' }, 0.5);
  await eventually(() => second.fate === 'reset');
  expect(first.fate).toBe('open');
});

test('a server that is not there is a connection that breaks', async () => {
  await new Promise((resolve) => server.close(resolve));
  const caller = new Caller();
  await eventually(() => caller.fate === 'reset');
  server.listen(0);
});

test('of several servers each connection gets the next one in turn, also one that is not there', async () => {
  const host = '127.0.0.1';
  const [{ port }, absent] = [server.address() as AddressInfo, proxy.port];
  await proxy[Symbol.asyncDispose]();
  proxy = await FaultProxy.start([
    { host, port },
    { host, port: absent },
  ]);
  for (let round = 0; round < 2; round++) {
    await Caller.open();
    const refused = new Caller();
    await eventually(() => refused.fate === 'reset');
  }
});
