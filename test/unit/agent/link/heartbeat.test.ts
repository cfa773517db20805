import { expect, test } from 'vitest';
import { runHeartbeat, type Pulse } from '../../../../src/agent/link/heartbeat.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

class ScriptedPulse implements Pulse {
  pings = 0;
  #onPong: () => void = () => undefined;

  ping(): void {
    this.pings += 1;
  }

  pong(): Promise<void> {
    return new Promise((resolve) => {
      this.#onPong = resolve;
    });
  }

  answer(): void {
    this.#onPong();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

test('a ping leaves every 25 s as long as pongs come', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const pulse = new ScriptedPulse();
  const stop = new AbortController();
  const end = runHeartbeat(pulse, clock, stop.signal);
  for (let beat = 1; beat <= 3; beat++) {
    clock.advance(25_000);
    await settle();
    expect(pulse.pings).toBe(beat);
    pulse.answer();
    await settle();
  }
  stop.abort();
  await expect(end).resolves.toBe('stopped');
  expect(clock.sleeping).toBe(0);
});

test('a pong that is missing for 10 s means that the connection is dead', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const pulse = new ScriptedPulse();
  const end = runHeartbeat(pulse, clock, new AbortController().signal);
  clock.advance(25_000);
  await settle();
  clock.advance(9_999);
  await settle();
  expect(clock.sleeping).toBe(1);
  clock.advance(1);
  await expect(end).resolves.toBe('lost');
});

test('stopping while a pong is awaited ends it without a timer left behind', async () => {
  const clock = new FakeClock(0, { autoAdvance: false });
  const stop = new AbortController();
  const end = runHeartbeat(new ScriptedPulse(), clock, stop.signal);
  clock.advance(25_000);
  await settle();
  stop.abort();
  await expect(end).resolves.toBe('stopped');
  expect(clock.sleeping).toBe(0);
});
