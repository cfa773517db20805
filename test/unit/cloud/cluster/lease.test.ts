import { expect, test } from 'vitest';
import { BEAT_MS, Judgement, LEASE_MS } from '../../../../src/cloud/cluster/lease.ts';

test('a node judges others once it has been steady for as long as a lease', () => {
  const judgement = new Judgement(0);
  for (let now = 0; now < LEASE_MS; now += BEAT_MS) {
    judgement.beaten(now);
    expect(judgement.mayJudge(now)).toBe(false);
  }
  judgement.beaten(LEASE_MS);
  expect(judgement.mayJudge(LEASE_MS)).toBe(true);
});

test('after the database was away nobody is judged before everybody has had the time to come back', () => {
  const judgement = new Judgement(0);
  for (let now = 0; now <= 20_000; now += BEAT_MS) judgement.beaten(now);
  expect(judgement.mayJudge(20_000)).toBe(true);
  expect(judgement.mayJudge(40_000)).toBe(false); // its own signs of life do not get through
  judgement.beaten(40_000);
  expect(judgement.mayJudge(40_000)).toBe(false);
  for (let now = 42_000; now <= 50_000; now += BEAT_MS) judgement.beaten(now);
  expect(judgement.mayJudge(50_000)).toBe(true);
});
