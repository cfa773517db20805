import { describe, expect, test } from 'vitest';
import {
  brokenRules,
  explainRefusal,
  type RefusedPassword,
  type RuledAccount,
} from '../../../../src/agent/commands/password-rules.ts';
import { Refusal } from '../../../../src/agent/commands/outcomes.ts';
import {
  DirectoryError,
  type AccountChange,
  type AccountReading,
} from '../../../../src/agent/directory/directory.ts';
import { toFiletime } from '../../../../src/agent/directory/filetime.ts';
import { Outcome } from '../../../../src/protocol/outcome.ts';
import { Secret } from '../../../../src/support/secret.ts';

const NOW = Date.parse('2026-03-01T12:00:00.000Z');
const DAY_MS = 86_400_000;
const FINE = 'Fine-password-7';

const ANNA: RuledAccount = {
  policy: {
    source: 'domain',
    minimumLength: 10,
    complexity: true,
    historyLength: 5,
    minimumAgeSeconds: 86_400,
  },
  samAccountName: 'aadler',
  displayName: 'Anna-Lena Adler, Dr.',
  pwdLastSet: toFiletime(NOW - 10 * DAY_MS),
  controllerTimeMs: NOW,
};
const YESTERDAY = { pwdLastSet: toFiletime(NOW - DAY_MS + 60_000) };
const HIDDEN = { policy: { source: 'unreadable' as const } };

function judge(
  password: string,
  account: Partial<RuledAccount> = {},
  rest: Partial<RefusedPassword> = {},
) {
  const refused = { op: 'reset' as const, historyEnforced: false, ...rest, password };
  return brokenRules(refused, { ...ANNA, ...account }, []);
}

describe('without a word of the server', () => {
  test('a short password is too short, with the number', () => {
    const rule = { rule: 'length', confidence: 'likely', minimumLength: 10 };
    expect(judge('Short-1')).toEqual([rule]);
    expect(judge('Just-10-ch')).not.toContainEqual(rule);
    expect(judge('Only-9-ch')).toEqual([rule]);
  });

  test('everything the policy speaks against is named', () => {
    expect(judge('adler').map(({ rule }) => rule)).toEqual(['length', 'complexity', 'name']);
  });

  test.each([
    ['the logon name, in any case', 'Xx-AADLER-17'],
    ['a part of the display name', 'Xx-lena-1717'],
    ['a part behind a comma', 'My-ANNA-1717'],
  ])('%s is not allowed inside', (_what, password) => {
    expect(judge(password)).toEqual([{ rule: 'name', confidence: 'likely' }]);
  });

  test.each([
    ['parts of two letters', 'Password-dr.-17', {}],
    ['a logon name of two letters', 'Password-ab-17', { samAccountName: 'ab' }],
    ['part of a part', 'Password-adle-17', { samAccountName: 'other' }],
    ['an account without a display name', 'Password-anna-17', { displayName: undefined }],
  ] as [string, string, Partial<RuledAccount>][])('%s is allowed', (_what, password, account) => {
    expect(judge(password, account)).toEqual([{ rule: 'history-or-filter', confidence: 'likely' }]);
  });

  test.each([' ', ',', '.', '\t', '-', '_', '#'])('a display name is cut at %j', (delimiter) => {
    const account = { samAccountName: 'x', displayName: `Bob${delimiter}Smith` };
    expect(judge('Password-bob-17', account)).toEqual([{ rule: 'name', confidence: 'likely' }]);
    expect(judge(`Pass-bob${delimiter}smit-17`, account)[0]?.rule).toBe('name');
  });

  test('a change too soon names the time from which it works', () => {
    const worksFrom = new Date(NOW + 60_000).toISOString();
    const rule = { rule: 'minimum-age', confidence: 'likely', worksFrom };
    expect(judge(FINE, YESTERDAY, { op: 'change' })).toEqual([rule]);
    expect(judge(FINE, {}, { op: 'change' })[0]?.rule).toBe('history-or-filter');
    expect(judge(FINE, { pwdLastSet: '0' }, { op: 'change' })[0]?.rule).toBe('history-or-filter');
  });

  test('a reset has no minimum age, unless policy hints may bring it along', () => {
    expect(judge(FINE, YESTERDAY)).toEqual([{ rule: 'history-or-filter', confidence: 'likely' }]);
    expect(judge(FINE, YESTERDAY, { historyEnforced: true })).toMatchObject([
      { rule: 'minimum-age', confidence: 'unknown' },
      { rule: 'history-or-filter', confidence: 'unknown' },
    ]);
  });

  test('an age that never ends has no time', () => {
    const policy = { ...ANNA.policy, minimumAgeSeconds: 922_337_203_685 };
    expect(judge(FINE, { policy }, { op: 'change' })).toEqual([
      { rule: 'minimum-age', confidence: 'likely' },
    ]);
  });

  test('what no rule explains is the history or a filter', () => {
    expect(judge(FINE)).toEqual([{ rule: 'history-or-filter', confidence: 'likely' }]);
  });

  test('complexity that is not asked for is not broken, and a name only perhaps', () => {
    const policy = { ...ANNA.policy, complexity: false };
    expect(judge('all-lower-case', { policy })[0]?.rule).toBe('history-or-filter');
    expect(judge('all-anna-lower', { policy })).toEqual([
      { rule: 'name', confidence: 'unknown' },
      { rule: 'history-or-filter', confidence: 'unknown' },
    ]);
  });

  test('classes that depend on who counts are not called broken', () => {
    expect(judge('lower case only').map(({ rule, confidence }) => [rule, confidence])).toEqual([
      ['complexity', 'unknown'],
      ['history-or-filter', 'unknown'],
    ]);
  });

  test('under a hidden policy everything is unknown, and nothing that surely passes is named', () => {
    const rules = judge('lower-case', HIDDEN, { op: 'change' });
    expect(rules.map(({ rule }) => rule)).toEqual([
      'length',
      'complexity',
      'minimum-age',
      'history-or-filter',
    ]);
    expect(rules.every(({ confidence }) => confidence === 'unknown')).toBe(true);
    expect(judge(FINE, HIDDEN).map(({ rule }) => rule)).toEqual(['length', 'history-or-filter']);
  });
});

describe("the server's own words", () => {
  test('are all there is, completed by the policy', () => {
    const refused = { password: 'adler', op: 'change' as const, historyEnforced: false };
    const account = { ...ANNA, ...YESTERDAY };
    const said = (rule: 'length' | 'minimum-age' | 'complexity') =>
      brokenRules(refused, account, [{ rule, confidence: 'certain' }]);
    expect(said('complexity')).toEqual([{ rule: 'complexity', confidence: 'certain' }]);
    expect(said('length')).toEqual([{ rule: 'length', confidence: 'certain', minimumLength: 10 }]);
    expect(said('minimum-age')).toEqual([
      {
        rule: 'minimum-age',
        confidence: 'certain',
        worksFrom: new Date(NOW + 60_000).toISOString(),
      },
    ]);
  });

  test('win over the policy as the agent reads it', () => {
    const refused = { password: 'x', op: 'reset' as const, historyEnforced: false };
    const named = [{ rule: 'length', confidence: 'certain', minimumLength: 16 }] as const;
    expect(brokenRules(refused, ANNA, named)).toEqual(named);
  });
});

describe('a refused write', () => {
  const account = { ...ANNA, ...YESTERDAY, controller: 'dc1.corp.test' } as AccountReading;
  const change: AccountChange = {
    op: 'change',
    password: new Secret('Planted-1-password'),
    oldPassword: new Secret('Planted-0-password'),
  };
  const refused = new DirectoryError('PASSWORD_POLICY', 'no', { controller: 'dc1.corp.test' });

  test('becomes a refusal with its rules and the time to try again', () => {
    const refusal = explainRefusal(refused, change, account);
    expect(refusal).toBeInstanceOf(Refusal);
    expect((refusal as Refusal).details).toEqual({
      controller: 'dc1.corp.test',
      notBefore: '2026-03-01T12:01:00.000Z',
      rules: [{ rule: 'minimum-age', confidence: 'likely', worksFrom: '2026-03-01T12:01:00.000Z' }],
    });
    expect(JSON.stringify(refusal)).not.toContain('Planted');
  });

  test('under a hidden policy says how to have the rule named', () => {
    const refusal = explainRefusal(refused, change, { ...account, ...HIDDEN }) as Refusal;
    expect(refusal.details.message).toContain('CN=Password Settings Container,CN=System');
    expect(Outcome.shape.message.safeParse(refusal.details.message).success).toBe(true);
  });

  test('for any other reason stays as it is', () => {
    const denied = new DirectoryError('ACCESS_DENIED', 'no');
    expect(explainRefusal(denied, change, account)).toBe(denied);
    expect(explainRefusal(refused, { op: 'unlock' }, account)).toBe(refused);
  });
});
