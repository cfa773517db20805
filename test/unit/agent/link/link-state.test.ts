import { expect, test } from 'vitest';
import {
  LINK_STATES,
  next,
  type LinkEvent,
  type LinkState,
} from '../../../../src/agent/link/link-state.ts';

const EVENTS = [
  'dial',
  'open',
  'welcome',
  'lost',
  'refuse',
  'retry',
  'drain',
  'close',
] as const satisfies readonly LinkEvent[];

const STEPS: readonly [LinkState, LinkEvent, LinkState][] = [
  ['idle', 'dial', 'dialing'],
  ['dialing', 'open', 'greeting'],
  ['dialing', 'lost', 'waiting'],
  ['dialing', 'refuse', 'rejected'],
  ['greeting', 'welcome', 'ready'],
  ['greeting', 'lost', 'waiting'],
  ['greeting', 'refuse', 'rejected'],
  ['ready', 'drain', 'draining'],
  ['ready', 'lost', 'waiting'],
  ['ready', 'refuse', 'rejected'],
  ['waiting', 'retry', 'dialing'],
  ['rejected', 'retry', 'dialing'],
  ['draining', 'lost', 'closed'],
  ['draining', 'refuse', 'closed'],
  ...LINK_STATES.filter((state) => state !== 'closed').map(
    (state): [LinkState, LinkEvent, LinkState] => [state, 'close', 'closed'],
  ),
];

test.each(STEPS)('%s + %s is %s', (from, event, target) => {
  expect(next(from, event)).toBe(target);
});

test('every other event means nothing, and closed is never left', () => {
  for (const state of LINK_STATES) {
    for (const event of EVENTS) {
      const known = STEPS.some(([from, name]) => from === state && name === event);
      if (!known) expect(next(state, event), `${state} + ${event}`).toBeUndefined();
    }
  }
});
