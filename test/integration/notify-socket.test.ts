import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNotifySocket } from '../../src/support/notify-socket.ts';
import { NotifyListener } from '../support/notify-listener.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-notify-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(process.platform !== 'linux')('the socket of systemd', () => {
  test.each([
    ['a path', () => join(folder, 'notify')],
    ['an abstract name', () => `@passback-${randomUUID()}`],
  ])('a datagram reaches %s', async (_, address) => {
    const at = address();
    using listener = new NotifyListener(at);
    const send = await openNotifySocket(at);
    expect(send('READY=1\nSTATUS=übel')).toBe(true);
    expect(listener.next()).toBe('READY=1\nSTATUS=übel');
    expect(listener.next()).toBeUndefined();
  });

  test('nobody there, or nobody who listens in time, is no reason to wait or to fail', async () => {
    const send = await openNotifySocket(join(folder, 'nobody'));
    expect(send('READY=1')).toBe(false);
    const at = join(folder, 'deaf');
    using _deaf = new NotifyListener(at);
    const shout = await openNotifySocket(at);
    let heard = 0;
    while (heard < 100_000 && shout('WATCHDOG=1')) heard += 1;
    expect(heard).toBeGreaterThan(0);
    expect(heard).toBeLessThan(100_000);
  });

  test('an address that no socket can have is refused', async () => {
    await expect(openNotifySocket(`/${'x'.repeat(108)}`)).rejects.toThrow('too long');
  });
});
