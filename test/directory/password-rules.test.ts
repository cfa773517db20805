import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenRules } from '../../src/agent/commands/password-rules.ts';
import { DirectoryError, type Directory } from '../../src/agent/directory/directory.ts';
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

  test.each([false, true])(
    'under a fine-grained policy its own, readable or not (readable: %s)',
    async (readable) => {
      if (readable) await lab.grantPolicyRead();
      const outcome = await outcomeOf('strict', { password: 'Has-1-15-chars!' });
      expect(outcome.rules).toEqual([{ rule: 'length', confidence: 'certain', minimumLength: 16 }]);
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

const passwords = fc
  .tuple(
    fc.subarray(POOLS, { minLength: 1, maxLength: 4 }),
    fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 16 })),
  )
  .chain(([pools, size]) =>
    fc.array(fc.constantFrom(...pools.flatMap((pool) => Array.from(pool))), {
      minLength: size,
      maxLength: size,
    }),
  )
  .map((characters) => characters.join(''));

test('what the agent would say of a password is what the directory says', async () => {
  const { objectGuid } = lab.person('anna');
  const { controller, ...account } = await directory.read({ objectGuid }, NEVER);
  // Samba takes a name inside.
  const nameless = { ...account, samAccountName: '', displayName: '' };
  const verdictOn = (password: string): Promise<BrokenRule | undefined> =>
    directory
      .apply(
        { objectGuid, controller },
        {
          op: 'reset',
          password: new Secret(password),
          unlock: false,
          mustChange: false,
          policyHints: 'off',
        },
        NEVER,
      )
      .then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof DirectoryError && error.rules[0] !== undefined)
            return error.rules[0];
          throw error;
        },
      );
  await fc.assert(
    fc.asyncProperty(passwords, async (password) => {
      const refused = { password, op: 'reset', historyEnforced: false } as const;
      const said = brokenRules(refused, nameless, []);
      const likely = said.filter(({ confidence }) => confidence === 'likely');
      const verdict = await verdictOn(password);
      if (verdict === undefined) {
        // Accepted: nothing that is the password's own doing was called likely.
        expect(likely.every(({ rule }) => rule === 'history-or-filter')).toBe(true);
        return;
      }
      expect(said.map(({ rule }) => rule)).toContain(verdict.rule);
      if (verdict.rule !== 'length') expect(likely.map(({ rule }) => rule)).not.toContain('length');
      else expect(likely).toContainEqual({ ...verdict, confidence: 'likely' });
    }),
    { ...SEEDED, numRuns: 60 },
  );
});
