import { expect, test } from 'vitest';
import type { AgentRecord } from '../../../../src/cloud/store/records.ts';
import type { AgentSession } from '../../../../src/cloud/writeback/agent-session.ts';
import type { Caller } from '../../../../src/cloud/writeback/caller.ts';
import { attemptsOf } from '../../../../src/cloud/writeback/command-token.ts';
import { maskError, maskResult } from '../../../../src/cloud/writeback/mask.ts';
import { noAgent } from '../../../../src/cloud/writeback/no-agent.ts';
import { resolveOptions } from '../../../../src/cloud/writeback/operation-options.ts';
import { inOrder } from '../../../../src/cloud/writeback/routing.ts';
import { ServiceError } from '../../../../src/cloud/writeback/service-error.ts';

const PERSON: Caller = {
  directory: 'corp',
  apiKey: 'k',
  actor: 'portal',
  by: 'admin',
  seesAll: false,
};

test('a reset unlocks unless declined, and does not force a change unless asked', () => {
  expect(resolveOptions('reset', {})).toEqual({ unlock: true, mustChange: false });
  expect(resolveOptions('reset', { unlock: false, mustChange: true })).toEqual({
    unlock: false,
    mustChange: true,
  });
});

test.each([
  ['change', { unlock: true }],
  ['change', { mustChange: true }],
  ['unlock', { unlock: false }],
  ['unlock', { mustChange: true }],
] as const)('%s does not take %j', (op, options) => {
  expect(() => resolveOptions(op, options)).toThrow(ServiceError);
});

test('change and unlock take what they do anyway', () => {
  expect(resolveOptions('change', { unlock: false })).toEqual({ unlock: false, mustChange: false });
  expect(resolveOptions('unlock', { unlock: true })).toEqual({ unlock: true, mustChange: false });
});

test.each(['OUT_OF_SCOPE', 'PROTECTED_ACCOUNT', 'ACCOUNT_NOT_FOUND'] as const)(
  'an ordinary caller cannot tell %s from an account that does not exist',
  (code) => {
    const seen = maskError(PERSON, new ServiceError(code, { detail: `about ${code}` }));
    const missing = maskError(PERSON, new ServiceError('ACCOUNT_NOT_FOUND', { detail: 'x' }));
    expect(seen.code).toBe('ACCOUNT_NOT_FOUND');
    expect(seen.message).toBe(missing.message);
    const result = { state: 'refused', final: true, code, agent: 'a', signed: 's' } as const;
    expect(maskResult(PERSON, result)).toEqual({
      state: 'refused',
      final: true,
      code: 'ACCOUNT_NOT_FOUND',
    });
  },
);

test('an administrator is told why', () => {
  const error = new ServiceError('PROTECTED_ACCOUNT');
  expect(maskError({ ...PERSON, seesAll: true }, error)).toBe(error);
});

test('without an agent the answer says what is missing', () => {
  const agent = (state: AgentRecord['state']) => ({ state }) as AgentRecord;
  const disabled = { ...agent('approved'), disabled: { at: 0, by: 'anna', reason: '' } };
  expect(noAgent([]).message).toContain('no agent is enrolled');
  expect(noAgent([agent('revoked')]).message).toContain('no agent is enrolled');
  expect(noAgent([agent('pending')]).message).toContain('1 pending');
  expect(noAgent([agent('pending'), agent('approved')]).message).toContain('1 approved, offline');
  expect(noAgent([disabled]).message).toContain('1 disabled');
  expect(noAgent([disabled, agent('approved')]).message).toContain('1 approved, offline');
});

test('every account has one owner, and an agent that leaves moves only its own accounts', () => {
  const sessions = ['a', 'b', 'c'].map((agentId) => ({ agentId, healthy: true }) as AgentSession);
  const owners = (of: readonly AgentSession[]) =>
    Array.from({ length: 300 }, (_, n) => inOrder(`account-${n}`, of)[0]?.agentId);
  const before = owners(sessions);
  const after = owners(sessions.slice(0, 2));
  for (const [index, owner] of before.entries()) {
    if (owner !== 'c') expect(after[index]).toBe(owner);
  }
  for (const agent of ['a', 'b', 'c']) {
    expect(before.filter((owner) => owner === agent).length).toBeGreaterThan(60);
  }
});

test('an agent that reports itself down comes last', () => {
  const sessions = ['a', 'b'].map(
    (agentId) => ({ agentId, healthy: agentId !== 'a' }) as AgentSession,
  );
  for (let n = 0; n < 20; n += 1) {
    expect(inOrder(String(n), sessions)[0]?.agentId).toBe('b');
  }
});

test('the attempts name each agent once, from its first unanswered dispatch to its last possible write', () => {
  const base = { operation: 'o', session: 's', token: 't' };
  const attempts = attemptsOf(
    [
      { ...base, jti: '1', agent: 'a', at: 1_000, lostAt: 2_000, controller: 'dc1' },
      { ...base, jti: '2', agent: 'b', at: 3_000, answeredAt: 3_500, code: 'PAUSED' },
      { ...base, jti: '3', agent: 'a', at: 4_000, lostAt: 5_000 },
    ],
    9_000,
  );
  expect(attempts).toEqual([
    {
      agent: 'a',
      from: '1970-01-01T00:00:01.000Z',
      until: '1970-01-01T00:00:18.000Z',
      controller: 'dc1',
    },
  ]);
});
