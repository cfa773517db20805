import { expect, test } from 'vitest';
import { toTell } from '../../../../src/cloud/cli/serve-command.ts';
import { keepTold, type News } from '../../../../src/support/service-manager.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

test('a service that hangs is logged once and no longer said to be alive, until it gets on again', async () => {
  const heard: News[] = [];
  const log = new MemoryLog();
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const ended = new AbortController();
  let stuck: readonly string[] = [];
  const cloud = {
    status: () => Promise.resolve('ready, 3 agents connected'),
    get stuck() {
      return stuck;
    },
  };
  const manager = { watchdogMs: 30_000, tell: (news: News) => heard.push(news) };
  const never = new AbortController().signal;
  const telling = keepTold(toTell(manager, cloud, { clock, log }), never, ended.signal);
  const beat = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(5_000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await beat();
  stuck = ['the sweep has not come round for 601 s'];
  await beat();
  await beat();
  stuck = [];
  await beat();
  ended.abort();
  await telling;
  expect(heard.map(({ alive, status }) => [alive === true, status])).toEqual([
    [true, 'ready, 3 agents connected'],
    [true, 'ready, 3 agents connected'],
    [false, 'stuck: the sweep has not come round for 601 s'],
    [false, 'stuck: the sweep has not come round for 601 s'],
    [true, 'ready, 3 agents connected'],
  ]);
  expect(log.of('cloud.stuck')).toMatchObject([
    { level: 'error', fields: { stuck: ['the sweep has not come round for 601 s'] } },
  ]);
});
