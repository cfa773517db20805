import { rename } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  LocalOrders,
  ordersFile,
  readOrders,
  writeOrders,
} from '../../src/agent/commands/guard/local-orders.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

let folder: TemporaryFolder;
let clock: FakeClock;
let log: MemoryLog;
/** Why the file cannot be read for now; it stays as it is meanwhile. */
let failure: string | undefined;

beforeEach(async () => {
  folder = await temporaryFolder();
  clock = new FakeClock();
  log = new MemoryLog();
  failure = undefined;
});

afterEach(() => folder[Symbol.asyncDispose]());

function open(): Promise<LocalOrders> {
  return LocalOrders.open(folder.path, clock, log, (path) =>
    failure === undefined
      ? readOrders(path)
      : Promise.resolve({ type: 'unusable', why: `cannot be read (${failure})` }),
  );
}

test.each(['EIO', 'EMFILE', 'EACCES'])(
  'orders that cannot be read (%s) pause the agent for as long as that lasts, and no longer',
  async (code) => {
    await writeOrders(folder.path, {});
    failure = code;
    const orders = await open();
    const since = new Date(clock.now()).toISOString();
    expect(orders.pause?.reason).toContain(`${ordersFile(folder.path)} cannot be read (${code})`);
    clock.advance(60_000);
    await orders.refresh();
    expect(orders.pause).toMatchObject({ since });
    failure = undefined;
    await orders.refresh();
    expect(orders.pause).toBeUndefined();
    expect(log.of('writeback.paused_locally')).toHaveLength(1);
    expect(log.of('writeback.resumed_locally')).toHaveLength(1);
    clock.advance(60_000);
    await writeOrders(folder.path, { resumed: { at: since, trips: [] } });
    failure = code;
    await orders.refresh();
    expect(orders.pause?.since).toBe(new Date(clock.now()).toISOString());
  },
);

test('a pause that was ordered holds after a read that failed, with its own reason', async () => {
  const orders = await open();
  const since = new Date(clock.now()).toISOString();
  await writeOrders(folder.path, { pause: { reason: 'moving dc1', since } });
  failure = 'EIO';
  await orders.refresh();
  expect(orders.pause?.reason).toContain('cannot be read (EIO)');
  failure = undefined;
  await orders.refresh();
  expect(orders.pause).toEqual({ reason: 'moving dc1', since });
});

test('a pause holds, too, when the folder that it is kept in is gone', async () => {
  const since = new Date(clock.now()).toISOString();
  await writeOrders(folder.path, { pause: { reason: 'moving dc1', since } });
  const orders = await open();
  await rename(folder.path, `${folder.path}-away`);
  await orders.refresh();
  expect(orders.pause?.reason).toContain('cannot be read (its folder is gone)');
  await rename(`${folder.path}-away`, folder.path);
  await orders.refresh();
  expect(orders.pause).toEqual({ reason: 'moving dc1', since });
});

test('whoever asks while a look is under way sees what was ordered before', async () => {
  const since = new Date(clock.now()).toISOString();
  let wait = Promise.resolve();
  const orders = await LocalOrders.open(folder.path, clock, log, async (path) => {
    const read = await readOrders(path);
    await wait;
    return read;
  });
  let goOn = (): void => undefined;
  wait = new Promise((resolve) => (goOn = resolve));
  await writeOrders(folder.path, {});
  const first = orders.refresh();
  await writeOrders(folder.path, { pause: { reason: 'moving dc1', since } });
  const second = orders.refresh();
  goOn();
  await Promise.all([first, second]);
  expect(orders.pause).toEqual({ reason: 'moving dc1', since });
});

test('trips that were looked into stay so while the orders cannot be read', async () => {
  const at = new Date(clock.now()).toISOString();
  const resumed = { at, trips: ['00000000-0000-4000-8000-000000000001'] };
  await writeOrders(folder.path, { resumed });
  const orders = await open();
  await writeOrders(folder.path, { resumed, pause: { reason: 'x', since: at } });
  failure = 'EIO';
  await orders.refresh();
  expect(orders.resumed).toEqual(resumed);
});
