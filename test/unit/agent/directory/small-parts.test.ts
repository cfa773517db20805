import { describe, expect, test } from 'vitest';
import { Expiring } from '../../../../src/agent/directory/expiring.ts';
import { Lanes } from '../../../../src/agent/directory/lanes.ts';
import { Semaphore } from '../../../../src/agent/directory/semaphore.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

describe('a fact that expires', () => {
  test('is asked for once, by many, until it is old', async () => {
    const clock = new FakeClock();
    const fact = new Expiring<number>(1_000, clock);
    let asked = 0;
    const load = async (): Promise<number> => ++asked;
    expect(await Promise.all([fact.get(load), fact.get(load)])).toEqual([1, 1]);
    clock.advance(999);
    expect(await fact.get(load)).toBe(1);
    clock.advance(1);
    expect(await fact.get(load)).toBe(2);
    fact.forget();
    expect(await fact.get(load)).toBe(3);
  });

  test('is not remembered when it could not be had', async () => {
    const fact = new Expiring<number>(1_000, new FakeClock());
    await expect(fact.get(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await fact.get(async () => 1)).toBe(1);
  });
});

describe('a semaphore', () => {
  test('lets go in the order of asking', async () => {
    const turns = new Semaphore(1);
    const { signal } = new AbortController();
    const order: string[] = [];
    await turns.acquire(signal);
    const waiting = ['a', 'b'].map((name) => turns.acquire(signal).then(() => order.push(name)));
    turns.release();
    turns.release();
    await Promise.all(waiting);
    expect(order).toEqual(['a', 'b']);
  });

  test('forgets who gave up', async () => {
    const turns = new Semaphore(1);
    const stop = new AbortController();
    await turns.acquire(stop.signal);
    const gone = expect(turns.acquire(stop.signal)).rejects.toThrow();
    stop.abort();
    await gone;
    turns.release();
    await turns.acquire(new AbortController().signal);
    await expect(turns.acquire(stop.signal)).rejects.toThrow();
  });
});

test('a lane goes on after a failure, and other lanes do not wait for it', async () => {
  const lanes = new Lanes();
  const order: string[] = [];
  let release: () => void = () => undefined;
  const first = lanes.run('a', async () => {
    await new Promise<void>((resolve) => (release = resolve));
    throw new Error('no');
  });
  const second = lanes.run('a', async () => order.push('a'));
  await lanes.run('b', async () => order.push('b'));
  release();
  await expect(first).rejects.toThrow('no');
  await second;
  expect(order).toEqual(['b', 'a']);
});
