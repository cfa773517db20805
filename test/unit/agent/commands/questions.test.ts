import { expect, test } from 'vitest';
import { Questions } from '../../../../src/agent/commands/questions.ts';
import type { InspectClaims } from '../../../../src/protocol/command.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function question(jti: string, clock: FakeClock, livesS = 60): InspectClaims {
  return { jti, exp: Math.floor(clock.now() / 1000) + livesS } as InspectClaims;
}

test('a question is new until it was taken, and for as long as its token can be used', () => {
  const clock = new FakeClock();
  const questions = new Questions(clock);
  const asked = question('one', clock);
  expect(questions.isNew(asked)).toBe(true);
  questions.take(asked)[Symbol.dispose]();
  clock.advance(89_000);
  expect(questions.isNew(asked)).toBe(false);
  clock.advance(300_000);
  expect(questions.isNew(asked)).toBe(true);
});

test('only so many questions are looked into at once, and one that ends makes room', () => {
  const clock = new FakeClock();
  const questions = new Questions(clock);
  const taken = Array.from({ length: 64 }, (_, i) => questions.take(question(`${i}`, clock)));
  const next = question('next', clock);
  expect(() => questions.take(next)).toThrow(expect.objectContaining({ code: 'BUSY' }) as Error);
  expect(questions.isNew(next)).toBe(true);
  taken[0]?.[Symbol.dispose]();
  questions.take(next);
});

test('what is remembered is bounded, and makes room as it expires', () => {
  const clock = new FakeClock();
  const questions = new Questions(clock);
  const ask = (jti: string): void => {
    questions.take(question(jti, clock))[Symbol.dispose]();
  };
  for (let i = 0; i < 65_536; i += 1) ask(`${i}`);
  expect(() => {
    ask('one more');
  }).toThrow(expect.objectContaining({ code: 'BUSY' }) as Error);
  clock.advance(400_000);
  expect(questions.isNew(question('one more', clock))).toBe(true);
  ask('one more');
});
