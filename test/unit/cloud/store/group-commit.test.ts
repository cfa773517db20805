import { expect, test } from 'vitest';
import { groupCommit } from '../../../../src/cloud/store/group-commit.ts';
import type { Store } from '../../../../src/cloud/store/store.ts';

/** Remembers what each transaction wrote that was committed. */
class CountedStore {
  readonly committed: (readonly string[])[] = [];

  async atomically<T>(work: (store: Store) => Promise<T>): Promise<T> {
    const writes: string[] = [];
    const result = await work(writes as unknown as Store); // whoever works on it knows
    this.committed.push(writes);
    return result;
  }
}

function start(): { store: CountedStore; write: (name: string) => Promise<void> } {
  const store = new CountedStore();
  const group = groupCommit(store);
  const write = (name: string): Promise<void> =>
    group.run((inside) => {
      if (name.startsWith('bad')) return Promise.reject(new Error(name));
      (inside as unknown as string[]).push(name);
      return Promise.resolve();
    });
  return { store, write };
}

test('what comes together is committed together, in its order', async () => {
  const { store, write } = start();
  await Promise.all(['a', 'b', 'c'].map(write));
  expect(store.committed).toEqual([['a', 'b', 'c']]);
});

test('work that fails takes nobody else with it, and is told of its own failure', async () => {
  const { store, write } = start();
  const ended = await Promise.allSettled(['a', 'bad', 'c'].map(write));
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(ended[1]).toMatchObject({ reason: { message: 'bad' } });
  expect(store.committed.flat()).toEqual(['a', 'c']);
});

test('what comes later has a transaction of its own', async () => {
  const { store, write } = start();
  await write('a');
  await write('b');
  expect(store.committed).toEqual([['a'], ['b']]);
});

test('so many come at once that they are committed in several transactions', async () => {
  const { store, write } = start();
  await Promise.all(Array.from({ length: 100 }, (_, i) => write(String(i))));
  expect(store.committed.map(({ length }) => length)).toEqual([64, 36]);
});
