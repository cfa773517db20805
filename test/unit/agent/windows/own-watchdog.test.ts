import { expect, test } from 'vitest';
import { ownWatchdog } from '../../../../src/agent/windows/own-watchdog.ts';
import { keepTold, type News } from '../../../../src/support/service-manager.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const STUCK = 'no probe of the domain controllers has ended for 301 s';

/** An agent for so many beats, told to stop before the one of this number, with what its manager and its end hear. */
async function live(
  beats: number,
  isStuck: (beat: number) => boolean,
  stopsAt = Infinity,
): Promise<{ readonly news: readonly News[]; readonly hangs: readonly string[] }> {
  const [news, hangs]: [News[], string[]] = [[], []];
  const [drain, ended] = [new AbortController(), new AbortController()];
  let beat = 0;
  const manager = ownWatchdog(
    (one) => void news.push(one),
    (status) => void hangs.push(`${status} at beat ${beat}`),
  );
  const stuck = (): readonly string[] => {
    beat += 1;
    if (beat === stopsAt) drain.abort();
    if (beat === beats) ended.abort();
    return isStuck(beat) ? [STUCK] : [];
  };
  const status = (): string => 'running, ready';
  const onStuck = (): void => undefined;
  const clock = new FakeClock();
  await keepTold({ manager, clock, stuck, onStuck, status }, drain.signal, ended.signal);
  return { news, hangs };
}

test('an agent that gets on is never ended, and its manager hears all that there is', async () => {
  const { news, hangs } = await live(100, () => false);
  expect(hangs).toEqual([]);
  expect(news).toHaveLength(100);
  expect(news[0]).toEqual({ phase: 'ready', status: 'running, ready', alive: true });
});

test('an agent that hangs is ended after thirty seconds, once, with what it hangs over', async () => {
  const { hangs } = await live(100, (beat) => beat > 10);
  expect(hangs).toEqual([`stuck: ${STUCK} at beat 16`]);
});

test('what gets on again in between is not ended', async () => {
  const { hangs } = await live(100, (beat) => beat % 6 !== 0);
  expect(hangs).toEqual([]);
});

test('an agent that was told to stop is left to the time for its drain', async () => {
  const { hangs } = await live(100, (beat) => beat > 3, 5);
  expect(hangs).toEqual([]);
});
