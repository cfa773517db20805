import { once } from 'node:events';
import { connect, createServer, Socket, type AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Entrance, type EntranceLimits } from '../../src/cloud/entrance.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS: EntranceLimits = {
  ...{ atOnce: 2, perNetwork: 1, placeMs: 3_000, idlePlaceMs: 500 },
  ...{ waitMs: 6_000, silentMs: 5_000 },
};

/** An entrance on a port of its own, and what has become of whom by the name that each says first. */
class Door implements AsyncDisposable {
  readonly clock = new FakeClock(undefined, { autoAdvance: false });
  readonly turnedAway: Socket[] = [];
  isBusy = true;
  /** How many were begun that had been ended before. */
  begunTooLate = 0;
  readonly #begun = new Map<string, Socket>();
  readonly #stopping = new AbortController();
  readonly #entrance = new Entrance({
    limits: LIMITS,
    begin: (socket) => {
      if (socket.destroyed) this.begunTooLate += 1;
      // As TLS does it: what has come before is still to be read.
      socket.once('data', (said: Buffer) => this.#begun.set(said.toString(), socket));
    },
    onTurnedAway: (socket) => this.turnedAway.push(socket),
    isBusy: () => this.isBusy,
    clock: this.clock,
    stopping: this.#stopping.signal,
  });
  readonly #clients: Socket[] = [];
  readonly #arrived: Socket[] = [];
  readonly #server = createServer((socket) => {
    this.#arrived.push(socket);
    this.#entrance.arrive(socket);
  });

  get begun(): readonly string[] {
    return [...this.#begun.keys()];
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  /** A connection on which nothing is said, once the entrance knows of it. */
  async silent(localAddress = '127.0.0.1'): Promise<Socket> {
    const before = this.#arrived.length;
    const { port } = this.#server.address() as AddressInfo;
    const client = connect({ host: '127.0.0.1', port, localAddress });
    client.on('error', () => undefined);
    this.#clients.push(client);
    await once(client, 'connect');
    await eventually(() => {
      expect(this.#arrived.length).toBeGreaterThan(before);
    });
    return client;
  }

  /** One that says its name; resolves when that has been read. */
  async says(name: string, from?: string): Promise<Socket> {
    const client = await this.silent(from);
    const arrived = this.#arrived.at(-1);
    client.write(name);
    await eventually(() => {
      expect(arrived?.bytesRead).toBe(name.length);
    });
    return client;
  }

  /** One goes, and the entrance knows of it. */
  async leaves(client: Socket): Promise<void> {
    const arrived = this.#arrived[this.#clients.indexOf(client)];
    client.destroy();
    await eventually(() => {
      expect(arrived?.destroyed).toBe(true);
    });
  }

  isIn(name: string): void {
    const socket = this.#begun.get(name);
    if (socket !== undefined) this.#entrance.isIn(socket);
  }

  stop(): void {
    this.#stopping.abort();
    this.#entrance.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    for (const socket of [...this.#clients, ...this.#arrived]) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

async function twoInside(): Promise<Door> {
  const door = await new Door().open();
  await door.says('one');
  await door.says('two');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two']);
  });
  return door;
}

test('no more than the allowed number is under way; the next begins when one is in', async () => {
  await using door = await twoInside();
  await door.says('three');
  expect(door.begun).toEqual(['one', 'two']);
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'three']);
  });
});

test('the next begins when one under way has gone', async () => {
  await using door = await new Door().open();
  const one = await door.says('one');
  await door.says('two');
  await door.says('three');
  one.destroy();
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'three']);
  });
});

test('whoever came last goes first: a caller does not wait behind a fleet', async () => {
  await using door = await twoInside();
  await door.says('agent 1');
  await door.says('agent 2');
  await door.says('caller');
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'caller']);
  });
});

test('whoever says nothing takes no place, and is cut off', async () => {
  await using door = await new Door().open();
  const strangers = [await door.silent(), await door.silent(), await door.silent()];
  const cut = Promise.all(strangers.map((stranger) => once(stranger, 'close')));
  await door.says('agent');
  await eventually(() => {
    expect(door.begun).toEqual(['agent']);
  });
  door.clock.advance(5_000);
  await cut;
});

test('whoever begins and goes no further holds its place for three seconds, and is not cut off', async () => {
  await using door = await twoInside();
  await door.says('three');
  door.clock.advance(2_999);
  await eventually(() => {
    expect(door.clock.sleeping).toBe(1);
  });
  expect(door.begun).toEqual(['one', 'two']);
  door.clock.advance(250);
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'three']);
  });
});

test('who stalls keeps nobody out of a service that has nothing else to do', async () => {
  await using door = await twoInside();
  await door.says('three');
  door.isBusy = false;
  door.clock.advance(500);
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'three']);
  });
});

test('whoever has waited six seconds is turned away, and nothing is begun for it', async () => {
  await using door = await new Door().open();
  await door.says('one');
  await door.says('two');
  const late = await door.says('late');
  // A reset is an 'error' first, which `once` would reject with.
  const closed = new Promise((resolve) => late.once('close', resolve));
  for (const newer of [['three', 'four'], ['five', 'six'], []]) {
    door.clock.advance(2_000);
    await eventually(() => {
      expect(door.clock.sleeping).toBe(1);
    });
    for (const name of newer) await door.says(name);
  }
  await closed;
  expect(door.turnedAway).toHaveLength(1);
  expect(door.begun).not.toContain('late');
});

test('nothing is begun for whoever is turned away in the moment in which places become free', async () => {
  await using door = await twoInside();
  for (const name of ['three', 'four', 'five', 'six']) await door.says(name);
  door.clock.advance(3_000);
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'six', 'five']);
    expect(door.clock.sleeping).toBe(1);
  });
  door.clock.advance(3_000);
  await eventually(() => {
    expect(door.turnedAway).toHaveLength(2);
  });
  door.stop();
  expect(door.begunTooLate).toBe(0);
});

test('those of one network do not keep out somebody of another one, however many and new they are', async () => {
  await using door = await twoInside();
  await door.says('agent', '127.0.0.2');
  for (const name of ['three', 'four', 'five']) await door.says(name);
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'agent']);
  });
});

test('a network has its share again once those of it are in', async () => {
  await using door = await new Door().open();
  await door.says('one');
  await door.says('other', '127.0.0.2');
  await door.says('three', '127.0.0.2');
  await door.says('four');
  door.isIn('other');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'other', 'three']); // 'four' is newer, and its network has a place
  });
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'other', 'three', 'four']);
  });
});

test('while nobody else waits, those of one network have all places', async () => {
  await using door = await twoInside();
  await door.says('three');
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'three']);
  });
});

test('nothing is begun for whoever gave up while it waited', async () => {
  await using door = await twoInside();
  await door.says('three');
  const impatient = await door.says('impatient');
  impatient.destroy();
  await once(impatient, 'close');
  await door.says('four'); // read after the end of the one before
  door.isIn('one');
  door.isIn('two');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'four', 'three']);
  });
});

test('the newest goes first also when most of those who waited have given up', async () => {
  await using door = await twoInside();
  const impatient = [await door.says('a'), await door.says('b'), await door.says('c')];
  await door.says('older');
  await door.says('newer');
  for (const client of impatient) await door.leaves(client);
  door.clock.advance(100);
  await eventually(() => {
    expect(door.clock.sleeping).toBe(1);
  });
  door.isIn('one');
  await eventually(() => {
    expect(door.begun).toEqual(['one', 'two', 'newer']);
  });
});

test('who comes after a while without anybody is looked after like the first one', async () => {
  await using door = await new Door().open();
  for (const _ of ['first', 'second']) {
    const stranger = await door.silent();
    const cut = once(stranger, 'close');
    await eventually(() => {
      expect(door.clock.sleeping).toBe(1);
    });
    door.clock.advance(5_000);
    await cut;
    door.clock.advance(100);
    await eventually(() => {
      expect(door.clock.sleeping).toBe(0); // nobody is there to be looked after
    });
  }
});

test('once the service stops, nobody waits any more', async () => {
  await using door = await twoInside();
  const waiting = await door.says('three');
  const [inTime, late] = [once(waiting, 'close'), door.silent()];
  door.stop();
  await inTime;
  await late;
  const after = await door.silent();
  if (!after.destroyed) await once(after, 'close');
});

test('nobody who has gone is held on to, however many come while no place is free', async () => {
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const entrance = new Entrance({
    limits: { ...LIMITS, atOnce: 0 },
    begin: () => undefined,
    onTurnedAway: () => undefined,
    isBusy: () => true,
    clock,
    stopping: new AbortController().signal,
  });
  const gone = Array.from({ length: 20 }, () => {
    const socket = new Socket({ allowHalfOpen: false });
    entrance.arrive(socket);
    socket.push('hello');
    return new WeakRef(socket);
  });
  await eventually(() => {
    expect(clock.sleeping).toBe(1);
  });
  await new Promise(setImmediate); // they are read, and wait
  clock.advance(LIMITS.waitMs);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await eventually(() => {
    clock.advance(100); // once more round: each tells of its end a moment later
    collect();
    expect(gone.filter((socket) => socket.deref() !== undefined)).toHaveLength(0);
  });
});
