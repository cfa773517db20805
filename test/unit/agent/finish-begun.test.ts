import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { finishBegun } from '../../../src/agent/finish-begun.ts';
import type { Parts } from '../../../src/agent/parts.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const DRAIN_MS = 25_000;

interface Scene {
  readonly clock: FakeClock;
  readonly drain: AbortController;
  readonly abort: AbortController;
  /** What has been begun ends. */
  readonly end: () => void;
  readonly begunEnds: () => Promise<void>;
}

function scene(): Scene {
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const [drain, abort] = [new AbortController(), new AbortController()];
  let end: () => void = () => undefined;
  const idle = new Promise<void>((resolve) => {
    end = resolve;
  });
  const config = { drainMs: DRAIN_MS } as Parts['config'];
  const stop = { drain: drain.signal, abort: abort.signal };
  const begunEnds = finishBegun({ drain: () => idle }, { config, clock }, stop);
  return { clock, drain, abort, end, begunEnds };
}

/** Whether it has resolved by now, and everything that could still happen at once has. */
async function isOver(promise: Promise<void>): Promise<boolean> {
  return Promise.race([
    promise.then(() => true),
    new Promise<boolean>((resolve) =>
      setImmediate(() => {
        resolve(false);
      }),
    ),
  ]);
}

describe('what was begun when a drain comes', () => {
  test('is waited for until it has ended', async () => {
    const { drain, end, begunEnds, clock } = scene();
    drain.abort();
    const over = begunEnds();
    expect(await isOver(over)).toBe(false);
    end();
    expect(await isOver(over)).toBe(true);
    expect(clock.sleeping).toBe(0);
    expect(getEventListeners(drain.signal, 'abort')).toHaveLength(0);
  });

  test('is not waited for longer than the drain may take, counted from its beginning', async () => {
    const { drain, begunEnds, clock } = scene();
    drain.abort();
    clock.advance(DRAIN_MS - 1_000); // that the link took
    const over = begunEnds();
    clock.advance(999);
    expect(await isOver(over)).toBe(false);
    clock.advance(1);
    expect(await isOver(over)).toBe(true);
  });

  test('is not waited for when everything is to be dropped', async () => {
    const { drain, abort, begunEnds } = scene();
    drain.abort();
    const over = begunEnds();
    abort.abort();
    expect(await isOver(over)).toBe(true);
  });
});
