import { z } from 'zod';
import { HostName, Int64, ShortText, Timestamp, Uuid } from './shapes.ts';

/** Accounts are addressed by objectGUID alone: names move. */
export const AccountRef = z.strictObject({ objectGuid: Uuid });

const NAME_EXPECTED =
  'expected a user principal name, DOMAIN\\user or a logon name: 1 to 256 characters on one line';

/** A name as a person types it: user principal name, `DOMAIN\user`, or a bare logon name. */
export const AccountName = z
  .string()
  .min(1, NAME_EXPECTED)
  .max(256, NAME_EXPECTED)
  .regex(/^[^\u0000-\u001f\u007f]*$/, NAME_EXPECTED)
  .meta({ id: 'AccountName' });

/** Replication metadata of `unicodePwd`: who wrote it last, when, and how many times (MS-DRSR 5.160). */
export const PasswordMetadata = z.strictObject({
  version: z.int().nonnegative(),
  changedAt: Timestamp,
  invocationId: Uuid,
  usn: Int64,
});

/** What an account looked like when an operation was prepared; a write that finds it moved is refused. */
export const Baseline = z
  .strictObject({
    pwdLastSet: Int64,
    lockoutTime: Int64,
    unicodePwd: PasswordMetadata.optional(),
    controller: HostName,
    controllerTime: Timestamp,
  })
  .meta({ id: 'Baseline' });

export type Baseline = z.infer<typeof Baseline>;

/** The rules a new password has to pass, from the fine-grained policy or the domain. */
export const EffectivePolicy = z
  .strictObject({
    source: z.enum(['domain', 'fine-grained', 'unreadable']),
    minimumLength: z.int().nonnegative().optional(),
    complexity: z.boolean().optional(),
    historyLength: z.int().nonnegative().optional(),
    minimumAgeSeconds: z.int().nonnegative().optional(),
    lockoutThreshold: z.int().nonnegative().optional(),
  })
  .meta({
    id: 'EffectivePolicy',
    description: 'Values that the service account cannot read are absent, never guessed.',
  });

export type EffectivePolicy = z.infer<typeof EffectivePolicy>;

/** One broken rule, and how sure the agent is that this is the one. */
export const BrokenRule = z
  .strictObject({
    rule: z.enum(['length', 'complexity', 'name', 'minimum-age', 'history', 'history-or-filter']),
    confidence: z.enum(['certain', 'likely', 'unknown']).meta({
      description:
        'certain: the directory said so. likely: the policy, as the agent reads it, speaks against the password. unknown: it may be this one; the values of the policy are hidden, or the rule leaves it open.',
    }),
    minimumLength: z.int().positive().optional(),
    worksFrom: Timestamp.optional(),
  })
  .meta({ id: 'BrokenRule' });

export type BrokenRule = z.infer<typeof BrokenRule>;

/** What `account.inspect` tells of an account. */
export const AccountState = z
  .strictObject({
    objectGuid: Uuid,
    baseline: Baseline,
    locked: z.boolean(),
    disabled: z.boolean(),
    expired: z.boolean(),
    mustChange: z.boolean(),
    passwordNeverExpires: z.boolean(),
    policy: EffectivePolicy,
    displayName: ShortText.optional(),
  })
  .meta({ id: 'AccountState' });

export type AccountState = z.infer<typeof AccountState>;
