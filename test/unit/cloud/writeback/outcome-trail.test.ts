import { describe, expect, test } from 'vitest';
import type { OutcomeTrail } from '../../../../src/cloud/store/records.ts';
import {
  extendTrail,
  giveUpGaps,
  lacksOutcome,
  resumeTrail,
} from '../../../../src/cloud/writeback/outcome-trail.ts';

const TRAIL: OutcomeTrail = { epoch: 'e', seq: 5, head: 'h5', seen: 5, ahead: [] };

function link(seq: number, previous = `h${seq - 1}`, at = 0) {
  return { epoch: 'e', seq, hash: `h${seq}`, previous, at };
}

describe('at the hello', () => {
  test('the first journal that is seen is the start', () => {
    const { trail, alarm } = resumeTrail(undefined, { epoch: 'e', seq: 7, head: 'h7' });
    expect(trail).toEqual({ epoch: 'e', seq: 7, head: 'h7', seen: 7, ahead: [] });
    expect(alarm).toBeUndefined();
  });

  test('a journal may be ahead of what was heard: answers get lost', () => {
    const { trail, alarm } = resumeTrail(TRAIL, { epoch: 'e', seq: 9, head: 'h9' });
    expect(alarm).toBeUndefined();
    expect(trail).toMatchObject({ seq: 5, seen: 9 });
  });

  test.each([
    ['an older one', { epoch: 'e', seq: 4, head: 'h4' }, 'JOURNAL_WENT_BACKWARDS'],
    ['another one', { epoch: 'f', seq: 9, head: 'h9' }, 'JOURNAL_REPLACED'],
    ['one with another past', { epoch: 'e', seq: 5, head: 'x' }, 'JOURNAL_FORKED'],
  ])('%s is an alarm', (_name, journal, alarm) => {
    expect(resumeTrail(TRAIL, journal)).toEqual({ trail: TRAIL, alarm });
  });

  test('in the middle of a session it is measured by what was known when it was asked', () => {
    const trail = { ...TRAIL, seen: 7 };
    expect(resumeTrail(trail, { epoch: 'e', seq: 5, head: 'h5' }, 5)).toEqual({ trail });
    expect(resumeTrail(trail, { epoch: 'e', seq: 5, head: 'h5' }, 6).alarm).toBe(
      'JOURNAL_WENT_BACKWARDS',
    );
  });

  test('what the agent itself said counts, also when its outcomes were never heard', () => {
    const { trail } = resumeTrail(TRAIL, { epoch: 'e', seq: 9, head: 'h9' });
    expect(resumeTrail(trail, { epoch: 'e', seq: 8, head: 'h8' }).alarm).toBe(
      'JOURNAL_WENT_BACKWARDS',
    );
  });
});

describe('with each outcome', () => {
  test('the next link extends the trail', () => {
    const { trail, alarm } = extendTrail(TRAIL, link(6));
    expect(alarm).toBeUndefined();
    expect(trail).toMatchObject({ seq: 6, head: 'h6', seen: 6, ahead: [] });
  });

  test('links that overtake each other are put in order', () => {
    const early = extendTrail(TRAIL, link(7));
    expect(early.alarm).toBeUndefined();
    expect(early.trail).toMatchObject({ seq: 5, seen: 7 });
    const { trail, alarm } = extendTrail(early.trail, link(6));
    expect(alarm).toBeUndefined();
    expect(trail).toMatchObject({ seq: 7, head: 'h7', ahead: [] });
  });

  test('a repeated outcome changes nothing', () => {
    expect(extendTrail(TRAIL, link(5))).toEqual({ trail: TRAIL });
    expect(extendTrail(TRAIL, link(2))).toEqual({ trail: TRAIL });
  });

  test.each([
    ['another epoch', { ...link(6), epoch: 'f' }],
    ['a link that does not follow', link(6, 'x')],
    ['two outcomes with one number', { ...link(5), hash: 'x' }],
  ])('%s breaks the chain', (_name, broken) => {
    expect(extendTrail(TRAIL, broken).alarm).toBe('OUTCOME_CHAIN_BROKEN');
  });

  test('a link that is overtaken for half a minute was lost, and can still be brought', () => {
    const { trail } = extendTrail(TRAIL, link(7));
    expect([29_000, 31_000].map((now) => lacksOutcome(trail, now))).toEqual([false, true]);
    const later = extendTrail(trail, link(6, 'h5', 9 * 60_000));
    expect(later.alarm).toBeUndefined();
    expect(lacksOutcome(later.trail, 60 * 60_000)).toBe(false);
  });

  test('an agent that falls silent behind a gap is given up, too', () => {
    const { trail } = extendTrail(TRAIL, link(7));
    expect(giveUpGaps(trail, 9 * 60_000).alarm).toBeUndefined();
    const over = giveUpGaps(trail, 11 * 60_000);
    expect(over).toMatchObject({ alarm: 'OUTCOME_GAP', trail: { seq: 7, ahead: [] } });
  });

  test('a missing link is a gap once nothing can bring it any more', () => {
    const early = extendTrail(TRAIL, link(7));
    const later = extendTrail(early.trail, link(8, 'h7', 11 * 60_000));
    expect(later.alarm).toBe('OUTCOME_GAP');
    expect(later.trail).toMatchObject({ seq: 8, head: 'h8', ahead: [] });
  });
});
