import { expect, test } from 'vitest';
import { AccountQueue } from '../../../../src/agent/commands/account-queue.ts';

/** Work that ends when the test says so. */
function held(): { work: () => Promise<string>; started: () => boolean; end: (e?: Error) => void } {
  let started = false;
  let end: (error?: Error) => void = () => undefined;
  const done = new Promise<string>((resolve, reject) => {
    end = (error) => {
      if (error === undefined) resolve('done');
      else reject(error);
    };
  });
  return {
    work: () => {
      started = true;
      return done;
    },
    started: () => started,
    end: (error) => {
      end(error);
    },
  };
}

test('work for one account runs in order and never at the same time', async () => {
  const queue = new AccountQueue(8);
  const first = held();
  const second = held();
  const other = held();
  const a = queue.run('a', first.work);
  const b = queue.run('a', second.work);
  const c = queue.run('b', other.work);
  other.end();
  await c;
  expect([first.started(), second.started()]).toEqual([true, false]);
  first.end();
  await a;
  second.end();
  await expect(b).resolves.toBe('done');
});

test('work that fails is told to its own caller only', async () => {
  const queue = new AccountQueue(8);
  const first = held();
  const a = queue.run('a', first.work);
  const b = queue.run('a', () => Promise.resolve('next'));
  first.end(new Error('boom'));
  await expect(a).rejects.toThrow('boom');
  await expect(b).resolves.toBe('next');
});

test('a queue is full at its limit, and idle once all has ended', async () => {
  const queue = new AccountQueue(2);
  const first = held();
  const second = held();
  await queue.idle();
  const all = [queue.run('a', first.work), queue.run('b', second.work)];
  expect(queue.full).toBe(true);
  let idle = false;
  const whenIdle = queue.idle().then(() => (idle = true));
  first.end();
  await all[0];
  expect([queue.full, idle]).toEqual([false, false]);
  second.end();
  await whenIdle;
  expect(queue.size).toBe(0);
});

test('work whose turn does not come in time is replaced, and nobody behind it overtakes', async () => {
  const queue = new AccountQueue(8);
  const first = held();
  const second = held();
  const third = held();
  const a = queue.run('a', first.work);
  const { signal } = new AbortController();
  const b = queue.run('a', second.work, { ms: 5, signal, late: () => Promise.resolve('late') });
  const c = queue.run('a', third.work);
  await expect(b).resolves.toBe('late');
  expect(queue.size).toBe(2);
  expect([second.started(), third.started()]).toEqual([false, false]);
  first.end();
  await a;
  third.end();
  await expect(c).resolves.toBe('done');
  expect(second.started()).toBe(false);
});

test('work whose account is free does not wait at all, however little patience it has', async () => {
  const queue = new AccountQueue(8);
  const { signal } = new AbortController();
  const patience = { ms: 0, signal, late: () => Promise.resolve('late') };
  await expect(queue.run('a', () => Promise.resolve('done'), patience)).resolves.toBe('done');
});
