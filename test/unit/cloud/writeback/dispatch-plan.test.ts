import { describe, expect, test } from 'vitest';
import type { DispatchRecord } from '../../../../src/cloud/store/records.ts';
import type { AgentSession } from '../../../../src/cloud/writeback/agent-session.ts';
import {
  FENCE_MS,
  LATE_MS,
  plan,
  type Situation,
  type Step,
} from '../../../../src/cloud/writeback/dispatch-plan.ts';

const T0 = 1_000_000;
const NOT_AFTER = T0 + 300_000;

function candidate(agentId: string, id = `${agentId}-session`): AgentSession {
  return { agentId, id } as AgentSession;
}

function dispatch(agent: string, change: Partial<DispatchRecord> = {}): DispatchRecord {
  const session = `${agent}-session`;
  return { jti: 'j', operation: 'o', agent, session, token: 't', at: T0, ...change };
}

function step(change: Partial<Situation>): Step {
  return plan({
    operation: {
      op: 'reset',
      state: 'pending',
      notAfter: NOT_AFTER,
      recipients: [
        { agent: 'a', kid: 'ka' },
        { agent: 'b', kid: 'kb' },
      ],
    },
    dispatches: [],
    candidates: [candidate('a'), candidate('b')],
    now: T0,
    ...change,
  });
}

function agentOf(planned: Step): string | undefined {
  return planned.type === 'dispatch' ? planned.session.agentId : undefined;
}

describe('before any dispatch', () => {
  test('the owner of the account gets the operation', () => {
    expect(agentOf(step({}))).toBe('a');
  });

  test('an agent whom the secret was not sealed to never gets it', () => {
    expect(step({ candidates: [candidate('stranger')] })).toEqual({ type: 'wait', ms: 300_000 });
  });

  test('with nobody there it waits until its time is over', () => {
    expect(step({ candidates: [] })).toEqual({ type: 'wait', ms: 300_000 });
  });

  test('it ends as expired when its time is over', () => {
    expect(step({ now: NOT_AFTER })).toEqual({ type: 'end', by: undefined });
  });
});

describe('after a refusal that may be tried again', () => {
  const paused = dispatch('a', { answeredAt: T0 + 10, code: 'PAUSED' });

  test('another agent gets it at once: the first one said that it did not start', () => {
    expect(agentOf(step({ dispatches: [paused], now: T0 + 10 }))).toBe('b');
  });

  test('the same agent gets it again only after a pause, which grows up to 5 s', () => {
    const candidates = [candidate('a')];
    expect(step({ dispatches: [paused], candidates, now: T0 + 10 })).toEqual({
      type: 'wait',
      ms: 1_000,
    });
    expect(agentOf(step({ dispatches: [paused], candidates, now: T0 + 1_010 }))).toBe('a');
    const many = Array.from({ length: 9 }, () => paused);
    expect(step({ dispatches: many, candidates, now: T0 + 10 })).toEqual({
      type: 'wait',
      ms: 5_000,
    });
  });

  test('when the time is over the last refusal is the result', () => {
    expect(step({ dispatches: [paused], now: NOT_AFTER })).toEqual({ type: 'end', by: paused });
  });
});

describe('after a dispatch that was never answered', () => {
  const lost = dispatch('a', { lostAt: T0 + 500, session: 'an earlier one' });

  test('the same agent gets it at once when it is back', () => {
    expect(agentOf(step({ dispatches: [lost], now: T0 + 600 }))).toBe('a');
  });

  test('in the very session that left it unanswered, not before a pause', () => {
    const same = dispatch('a', { lostAt: T0 + 500 });
    const candidates = [candidate('a')];
    expect(step({ dispatches: [same], candidates, now: T0 + 500 })).toEqual({
      type: 'wait',
      ms: 1_000,
    });
  });

  test('another agent does not get it before the first one cannot write any more', () => {
    const candidates = [candidate('b')];
    expect(step({ dispatches: [lost], candidates, now: T0 + 500 })).toEqual({
      type: 'wait',
      ms: FENCE_MS,
    });
    expect(FENCE_MS).toBe(15_000);
    const now = T0 + 500 + FENCE_MS;
    expect(agentOf(step({ dispatches: [lost], candidates, now: now - 1 }))).toBeUndefined();
    expect(agentOf(step({ dispatches: [lost], candidates, now }))).toBe('b');
  });

  test('while its session may still answer, nobody else gets it', () => {
    const candidates = [candidate('b')];
    const now = T0 + 100_000;
    expect(step({ dispatches: [dispatch('a')], candidates, now })).toMatchObject({ type: 'wait' });
  });

  test('when the time is over nobody knows, until the agent that had it answers', () => {
    expect(step({ dispatches: [lost], now: NOT_AFTER })).toEqual({ type: 'unknown', final: false });
    const late = { operation: { ...operation(), state: 'unknown' as const }, dispatches: [lost] };
    expect(agentOf(step({ ...late, now: NOT_AFTER + 1_000 }))).toBe('a');
    expect(step({ ...late, now: NOT_AFTER, candidates: [candidate('b')] })).toEqual({
      type: 'wait',
      ms: LATE_MS,
    });
    expect(step({ ...late, now: NOT_AFTER + LATE_MS })).toEqual({ type: 'unknown', final: true });
  });

  test('a later answer of the same agent covers it', () => {
    const answered = dispatch('a', { at: T0 + 1, answeredAt: T0 + 2, code: 'EXPIRED' });
    expect(step({ dispatches: [lost, answered], now: NOT_AFTER })).toEqual({
      type: 'end',
      by: answered,
    });
  });

  test("another agent's refusal decides nothing while the first one may have written", () => {
    const now = T0 + 500 + FENCE_MS;
    const refused = dispatch('b', { at: now, answeredAt: now, code: 'SUPERSEDED' });
    const dispatches = [lost, refused];
    expect(step({ dispatches, now, candidates: [candidate('b')] })).toMatchObject({ type: 'wait' });
    expect(agentOf(step({ dispatches, now }))).toBe('a');
    expect(step({ dispatches, now: NOT_AFTER })).toEqual({ type: 'unknown', final: false });
  });

  test('an agent that applied it decides, whatever another one left open', () => {
    const applied = dispatch('b', { answeredAt: T0 + 20_000, code: 'APPLIED' });
    expect(step({ dispatches: [lost, applied], now: T0 + 20_000 })).toEqual({
      type: 'end',
      by: applied,
    });
  });
});

test('a final refusal ends the operation at once', () => {
  const refused = dispatch('a', { answeredAt: T0 + 1, code: 'PASSWORD_POLICY' });
  expect(step({ dispatches: [refused], now: T0 + 1 })).toEqual({ type: 'end', by: refused });
});

function operation(): Situation['operation'] {
  const recipients = ['a', 'b'].map((agent) => ({ agent, kid: `k${agent}` }));
  return { op: 'reset', state: 'pending', notAfter: NOT_AFTER, recipients };
}
