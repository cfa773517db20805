import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenRules } from '../../src/agent/commands/password-rules.ts';
import {
  DirectoryError,
  type AccountChange,
  type Directory,
} from '../../src/agent/directory/directory.ts';
import type { BrokenRule } from '../../src/protocol/account.ts';
import { Secret } from '../../src/support/secret.ts';
import { openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';
import { CommandRig, type Order } from '../support/command-rig.ts';
import { SEEDED } from '../support/seeded.ts';

const NEW_PASSWORD = 'Planted-1-new-password';
const DAY_MS = 86_400_000;
const NEVER = new AbortController().signal;

const lab = useLab();
let directory: Directory;
let rig: CommandRig;

beforeEach(async () => {
  await lab.reset();
  directory = openLabDirectory(lab);
  rig = await CommandRig.open({ directory });
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

async function outcomeOf(sam: string, order: Partial<Order>) {
  const { objectGuid, password } = lab.person(sam);
  const old = order.op === 'change' ? { oldPassword: password } : {};
  const { outcome } = await rig.order({ objectGuid, password: NEW_PASSWORD, ...old, ...order });
  return outcome;
}

describe('the rule that was broken is named, and no other', () => {
  test.each<[string, string, Partial<Order>, Partial<BrokenRule>]>([
    ['a short reset', 'anna', { password: 'Short-1' }, { rule: 'length', minimumLength: 10 }],
    ['a simple reset', 'anna', { password: 'all-lower-case' }, { rule: 'complexity' }],
    [
      'a short change',
      'ben',
      { op: 'change', password: 'Sho-1' },
      { rule: 'length', minimumLength: 10 },
    ],
    [
      'a simple change',
      'ben',
      { op: 'change', password: 'all-lower-case' },
      { rule: 'complexity' },
    ],
    [
      'a change to the same',
      'ben',
      { op: 'change', password: 'Ben-has-4-Keys' },
      { rule: 'history' },
    ],
  ])('%s', async (_what, sam, order, rule) => {
    const outcome = await outcomeOf(sam, order);
    expect(outcome).toMatchObject({ code: 'PASSWORD_POLICY', status: 'refused', retry: 'user' });
    expect(outcome.rules).toEqual([{ ...rule, confidence: 'certain' }]);
    expect(await lab.passwordWrites()).toEqual(new Map());
  });

  test('a change too soon, with the time from which it works', async () => {
    expect((await outcomeOf('anna', {})).code).toBe('APPLIED');
    const order = {
      op: 'change',
      oldPassword: NEW_PASSWORD,
      password: 'Another-1-password',
    } as const;
    const outcome = await outcomeOf('anna', order);
    const { notBefore = '' } = outcome;
    expect(outcome.rules).toEqual([
      { rule: 'minimum-age', confidence: 'certain', worksFrom: notBefore },
    ]);
    expect(Math.abs(Date.parse(notBefore) - Date.now() - DAY_MS)).toBeLessThan(60_000);
  });

  describe.each([false, true])(
    'under a fine-grained policy its own, readable or not (readable: %s):',
    (readable) => {
      beforeEach(async () => {
        if (readable) await lab.grantPolicyRead();
      });

      test.each<[string, Partial<Order>, Partial<BrokenRule>]>([
        ['a short reset', { password: 'Has-1-15-chars!' }, { rule: 'length', minimumLength: 16 }],
        [
          'a short change',
          { op: 'change', password: 'Has-1-15-chars!' },
          { rule: 'length', minimumLength: 16 },
        ],
        ['a simple reset', { password: 'all-lower-case-and-long' }, { rule: 'complexity' }],
        [
          'a simple change',
          { op: 'change', password: 'all-lower-case-and-long' },
          { rule: 'complexity' },
        ],
      ])('%s', async (_what, order, rule) => {
        const outcome = await outcomeOf('strict', order);
        expect(outcome).toMatchObject({ code: 'PASSWORD_POLICY', status: 'refused' });
        expect(outcome.rules).toEqual([{ ...rule, confidence: 'certain' }]);
      });

      test('a change too soon, with the time from which it works where that can be read', async () => {
        expect((await outcomeOf('strict', {})).code).toBe('APPLIED');
        const again = { oldPassword: NEW_PASSWORD, password: 'Another-1-long-password' };
        const { rules, notBefore } = await outcomeOf('strict', { op: 'change', ...again });
        expect(rules).toEqual([
          {
            rule: 'minimum-age',
            confidence: 'certain',
            ...(readable && { worksFrom: notBefore }),
          },
        ]);
        if (!readable) expect(notBefore).toBeUndefined();
        else {
          const offMs = Math.abs(Date.parse(notBefore ?? '') - Date.now() - DAY_MS);
          expect(offMs).toBeLessThan(60_000);
        }
      });
    },
  );

  test.each([false, true])(
    'without its words, under a fine-grained policy (readable: %s)',
    async (readable) => {
      if (readable) await lab.grantPolicyRead();
      const { objectGuid } = lab.person('strict');
      const reading = await directory.read({ objectGuid }, NEVER);
      const refused = { password: 'Has-1-15-chars!', op: 'reset', historyEnforced: false } as const;
      expect(brokenRules(refused, reading, [])).toEqual(
        readable
          ? [{ rule: 'length', confidence: 'likely', minimumLength: 16 }]
          : [
              { rule: 'length', confidence: 'unknown' },
              { rule: 'history-or-filter', confidence: 'unknown' },
            ],
      );
    },
  );
});

/** Characters that belong together, those among them over which readings of the rule differ. */
const POOLS = [
  'abcxyz',
  'ABCXYZ',
  '0189',
  '-!$"\\',
  ' ',
  'äéñß',
  'ÄÉÑ',
  'жσ',
  'ЖΣ',
  '漢字',
  '€£',
  '🔑🦊',
  '٣',
];

/** As often too short for that minimum as not. */
const passwordsAround = (minimum: number) =>
  fc
    .tuple(
      fc.subarray(POOLS, { minLength: 1, maxLength: 4 }),
      fc.oneof(
        fc.integer({ min: 1, max: minimum - 1 }),
        fc.integer({ min: minimum, max: minimum + 6 }),
      ),
    )
    .chain(([pools, size]) =>
      fc.array(fc.constantFrom(...pools.flatMap((pool) => Array.from(pool))), {
        minLength: size,
        maxLength: size,
      }),
    )
    .map((characters) => characters.join(''));

/** Whether the directory takes a password, and if not, the rule that it names. */
async function verdictOn(
  sam: string,
  op: 'reset' | 'change',
  password: string,
): Promise<BrokenRule | undefined> {
  const { objectGuid, password: oldPassword } = lab.person(sam);
  const { controller } = await directory.read({ objectGuid }, NEVER);
  const secret = new Secret(password);
  const change: AccountChange =
    op === 'change'
      ? { op, password: secret, oldPassword: new Secret(oldPassword) }
      : { op, password: secret, unlock: false, mustChange: false, policyHints: 'off' };
  try {
    await directory.apply({ objectGuid, controller }, change, NEVER);
    return undefined;
  } catch (error) {
    if (error instanceof DirectoryError && error.rules[0] !== undefined) return error.rules[0];
    throw error;
  }
}

describe('what the agent would say of a password is what the directory says', () => {
  test.each([
    ['a reset', { sam: 'anna', op: 'reset', minimum: 10 }],
    ['a change', { sam: 'ben', op: 'change', minimum: 10 }],
    ['a reset under a fine-grained policy', { sam: 'strict', op: 'reset', minimum: 16 }],
    ['a change under a fine-grained policy', { sam: 'strict', op: 'change', minimum: 16 }],
  ] as const)('%s', async (_what, { sam, op, minimum }) => {
    await lab.grantPolicyRead();
    const { objectGuid } = lab.person(sam);
    const account = await directory.read({ objectGuid }, NEVER);
    expect(account.policy.minimumLength).toBe(minimum);
    // Samba takes a name inside.
    const nameless = { ...account, samAccountName: '', displayName: '' };
    const isRight = async (password: string): Promise<void> => {
      const said = brokenRules({ password, op, historyEnforced: false }, nameless, []);
      const likely = said.filter(({ confidence }) => confidence === 'likely');
      const verdict = await verdictOn(sam, op, password);
      if (verdict === undefined) {
        // Accepted: nothing that is the password's own doing was called likely.
        expect(likely.every(({ rule }) => rule === 'history-or-filter')).toBe(true);
        // The next change would come too soon, and from another password.
        if (op === 'change') await lab.reset();
        return;
      }
      expect(said.map(({ rule }) => rule)).toContain(verdict.rule);
      if (verdict.rule !== 'length') expect(likely.map(({ rule }) => rule)).not.toContain('length');
      else expect(likely).toContainEqual({ ...verdict, confidence: 'likely' });
    };
    await fc.assert(fc.asyncProperty(passwordsAround(minimum), isRight), {
      ...SEEDED,
      numRuns: 60,
    });
  });
});
