import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Together } from '../../../../src/cloud/store/together.ts';
import { eventually } from '../../../support/eventually.ts';

/** Remembers what was done together; `hold` keeps it from ending. */
class Work {
  readonly groups: (readonly string[])[] = [];
  hold: Promise<void> = Promise.resolve();
  readonly together = new Together<string, string>(async (items) => {
    this.groups.push(items);
    await this.hold;
    if (items.includes('bad')) throw new Error('bad');
    return items.map((item) => `done ${item}`);
  });
}

test('what is asked for in one turn is done together, and each gets its own result', async () => {
  const { groups, together } = new Work();
  const results = await Promise.all(['a', 'b', 'c'].map((item) => together.run(item)));
  expect(results).toEqual(['done a', 'done b', 'done c']);
  expect(groups).toEqual([['a', 'b', 'c']]);
});

test('what comes while something is under way is done together after it', async () => {
  const work = new Work();
  let release = (): void => undefined;
  work.hold = new Promise((resolve) => (release = resolve));
  const first = work.together.run('a');
  await eventually(() => {
    expect(work.groups).toEqual([['a']]);
  });
  const later = ['b', 'c'].map((item) => work.together.run(item));
  await nextTurn();
  expect(work.groups).toEqual([['a']]);
  release();
  expect(await Promise.all([first, ...later])).toHaveLength(3);
  expect(work.groups).toEqual([['a'], ['b', 'c']]);
});

test('what is under way for too long holds nobody up', async () => {
  const work = new Work();
  const { hold } = work;
  work.hold = new Promise(() => undefined);
  void work.together.run('stuck');
  await eventually(() => {
    expect(work.groups).toEqual([['stuck']]);
  });
  work.hold = hold;
  expect(await work.together.run('b')).toBe('done b');
  expect(await work.together.run('c')).toBe('done c');
});

test('whoever fails takes nobody along, and is told of the failure', async () => {
  const { groups, together } = new Work();
  const ended = await Promise.allSettled(['a', 'bad', 'c'].map((item) => together.run(item)));
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(ended[1]).toMatchObject({ reason: { message: 'bad' } });
  expect(groups).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
  expect(await together.run('d')).toBe('done d');
});

test('so many come at once that they are done in several groups', async () => {
  const { groups, together } = new Work();
  await Promise.all(Array.from({ length: 100 }, (_, i) => together.run(String(i))));
  expect(groups.map(({ length }) => length)).toEqual([64, 36]);
});
