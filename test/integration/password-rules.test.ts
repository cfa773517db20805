import { afterEach, describe, expect, test } from 'vitest';
import type { PolicyHints } from '../../src/agent/directory/directory.ts';
import { CommandRig, OPEN_GUARD, type Order } from '../support/command-rig.ts';
import type { Dialect } from '../support/directory-answers.ts';
import {
  openScriptedDirectory,
  type ScriptedDirectory,
  type ScriptedDirectoryOptions,
} from '../support/scripted-directory.ts';

const BEGIN = 'Begins-with-4-Keys';
const FINE = 'Fine-password-7';
const HOUR_MS = 3_600_000;
const ACCOUNTS = [
  { sam: 'aadler', displayName: 'Anna-Lena Adler', password: BEGIN },
  { sam: 'young', password: BEGIN, passwordAgeMs: 23 * HOUR_MS },
  { sam: 'strict', password: BEGIN, policy: 'Long' },
];
const LONG = {
  minimumLength: 16,
  complexity: true,
  historyLength: 5,
  minimumAgeSeconds: 86_400,
  lockoutThreshold: 5,
};

let scripted: ScriptedDirectory | undefined;
let rig: CommandRig | undefined;

afterEach(async () => {
  await rig?.[Symbol.asyncDispose]();
  await scripted?.[Symbol.asyncDispose]();
});

type Asked = Partial<Order> & { readonly sam?: string; readonly hints?: 'prefer' | 'require' };

/** Has one command carried out in a scripted domain, and answers its outcome. */
async function outcomeOf(options: ScriptedDirectoryOptions, asked: Asked) {
  const { sam = 'aadler', hints = 'off' as const, ...order } = asked;
  scripted = await openScriptedDirectory({
    accounts: ACCOUNTS,
    policies: { Long: LONG },
    ...options,
  });
  const { directory, domain, log } = scripted;
  const policyHints: Record<'self' | 'admin', PolicyHints> = { self: hints, admin: hints };
  rig = await CommandRig.open({ directory, guard: { ...OPEN_GUARD, policyHints } });
  const { objectGuid } = domain.account(sam);
  const { outcome } = await rig.order({
    objectGuid,
    password: FINE,
    ...(order.op === 'change' && { oldPassword: BEGIN }),
    ...order,
  });
  const { passwordWrites } = domain.account(sam);
  expect(passwordWrites).toBe(outcome.code === 'APPLIED' ? 1 : 0);
  const password = order.password ?? FINE;
  expect(JSON.stringify(outcome) + log.text() + rig.log.text()).not.toContain(password);
  return outcome;
}

describe('Windows does not say which rule it was, the agent does', () => {
  test.each<[string, Asked, object]>([
    ['too short', { password: 'Only-9-ch' }, { rule: 'length', minimumLength: 10 }],
    ['too simple', { password: 'all-lower-case' }, { rule: 'complexity' }],
    ['with the logon name inside', { password: 'Xx-AADLER-17' }, { rule: 'name' }],
    ['with a part of the display name inside', { password: 'Xx-lena-1717' }, { rule: 'name' }],
    [
      'used before, when the history is enforced',
      { password: BEGIN, hints: 'prefer' },
      { rule: 'history-or-filter' },
    ],
    ['used before, in a change', { password: BEGIN, op: 'change' }, { rule: 'history-or-filter' }],
  ])('%s', async (_what, asked, rule) => {
    const outcome = await outcomeOf({}, asked);
    expect(outcome).toMatchObject({ code: 'PASSWORD_POLICY', status: 'refused', retry: 'user' });
    expect(outcome.rules).toEqual([{ ...rule, confidence: 'likely' }]);
    expect(outcome.notBefore).toBeUndefined();
  });

  test('too soon, with the time from which it works', async () => {
    const outcome = await outcomeOf({}, { sam: 'young', op: 'change' });
    const rule = { rule: 'minimum-age', confidence: 'likely', worksFrom: outcome.notBefore };
    expect(outcome).toMatchObject({ code: 'PASSWORD_POLICY', rules: [rule] });
    const waitMs = Date.parse(outcome.notBefore ?? '') - Date.now();
    expect(waitMs).toBeGreaterThan(0.9 * HOUR_MS);
    expect(waitMs).toBeLessThanOrEqual(HOUR_MS);
  });

  test('too soon for policy hints that bring the age along is possible, and not more', async () => {
    const asked = { sam: 'young', hints: 'require' } as const;
    const outcome = await outcomeOf({ hintsEnforceAge: true }, asked);
    expect(outcome.rules).toMatchObject([
      { rule: 'minimum-age', confidence: 'unknown' },
      { rule: 'history-or-filter', confidence: 'unknown' },
    ]);
  });

  test('what is in order is applied, and says whether the history was looked at', async () => {
    const outcome = await outcomeOf({}, { hints: 'require' });
    expect(outcome).toMatchObject({ code: 'APPLIED', effect: { historyEnforced: true } });
  });
});

describe('under a fine-grained policy', () => {
  test('that can be read, its number is named', async () => {
    const asked = { sam: 'strict', password: 'Has-1-15-chars!' };
    expect((await outcomeOf({ policiesReadable: true }, asked)).rules).toEqual([
      { rule: 'length', confidence: 'likely', minimumLength: 16 },
    ]);
  });

  test("that is hidden, nothing is claimed, least of all the domain's number", async () => {
    const outcome = await outcomeOf({}, { sam: 'strict', password: 'Only-9-ch' });
    expect(outcome.rules).toEqual([
      { rule: 'length', confidence: 'unknown' },
      { rule: 'history-or-filter', confidence: 'unknown' },
    ]);
    expect(outcome.message).toContain('CN=Password Settings Container,CN=System');
  });

  test("that is hidden, the server's own word is still certain", async () => {
    const asked = { sam: 'strict', password: 'Has-1-15-chars!' };
    expect((await outcomeOf({ dialect: 'samba' }, asked)).rules).toEqual([
      { rule: 'length', confidence: 'certain', minimumLength: 16 },
    ]);
  });
});

describe('a controller', () => {
  test.each<[Dialect, string]>([
    ['samba', 'APPLIED'],
    ['windows', 'PASSWORD_POLICY'],
  ])('of %s says to a name inside: %s', async (dialect, code) => {
    expect((await outcomeOf({ dialect }, { password: 'Xx-AADLER-17' })).code).toBe(code);
  });

  test('that cannot enforce the history is not written to when it has to', async () => {
    const controllers = [{ policyHints: [] }];
    expect((await outcomeOf({ controllers }, { hints: 'require' })).code).toBe('DIRECTORY_CONFIG');
  });

  test('that knows only the older number of the control gets that one', async () => {
    const policyHints = ['1.2.840.113556.1.4.2066'];
    const asked = { password: BEGIN, hints: 'prefer' } as const;
    const outcome = await outcomeOf({ controllers: [{ policyHints }] }, asked);
    expect(outcome.rules).toEqual([{ rule: 'history-or-filter', confidence: 'likely' }]);
  });

  test('that offers the control and does not know it refuses, and writes nothing', async () => {
    const controllers = [{ policyHints: [], advertised: ['1.2.840.113556.1.4.2239'] }];
    const { code } = await outcomeOf({ controllers }, { hints: 'prefer' });
    expect(code).toBe('DIRECTORY_CONFIG');
  });

  test('that clears pwdLastSet, for want of Unexpire Password, shows in the outcome', async () => {
    const outcome = await outcomeOf({ unexpire: false }, {});
    expect(outcome.effect).toMatchObject({
      mustChange: 'not-asked',
      mustChangeForcedByDirectory: true,
      pwdLastSet: '0',
    });
  });
});
