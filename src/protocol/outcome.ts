import { z } from 'zod';
import { AccountState, BrokenRule } from './account.ts';
import { OUTCOME_CODES } from './codes.ts';
import { Op } from './command.ts';
import {
  DirectoryId,
  HostName,
  Int64,
  Seconds,
  Sha256,
  ShortText,
  Timestamp,
  Uuid,
} from './shapes.ts';

export const StatusName = z.enum(['applied', 'refused', 'failed', 'unknown']);

export const RetryName = z.enum(['later', 'user', 'admin', 'never']);

/** Left out, and said so, for a password that never expires: the directory would ignore it. */
export const MustChange = z.enum(['set', 'not-asked', 'skipped-never-expires']);

/** What was done to the account, where anything was. */
const Effect = z.strictObject({
  passwordSet: z.boolean(),
  unlocked: z.boolean(),
  mustChange: MustChange,
  /** MS-SAMR clears `pwdLastSet` for a caller without Unexpire Password on the domain. */
  mustChangeForcedByDirectory: z.boolean(),
  pwdLastSet: Int64.optional(),
  historyEnforced: z.boolean().meta({
    description: 'The password was held to the history; false also where nobody can tell.',
  }),
});

/** The agent's answer about one operation, before it is signed. */
export const Outcome = z
  .strictObject({
    status: StatusName,
    code: z.enum(OUTCOME_CODES),
    retry: RetryName.optional(),
    message: ShortText,
    action: ShortText.optional().meta({
      description: "What to do, where the agent knows better than the code's own text.",
    }),
    effect: Effect.optional(),
    rules: z.array(BrokenRule).max(8).optional(),
    notBefore: Timestamp.optional(),
    controller: HostName.optional(),
    inferred: z.literal(true).optional(),
    reapplied: z.literal(true).optional(),
    dryRun: z.literal(true).optional(),
    tookMs: z.number().nonnegative(),
  })
  .meta({ id: 'Outcome' });

export type Outcome = z.infer<typeof Outcome>;
export type Effect = z.infer<typeof Effect>;

/** An outcome's place in the agent's trail: gaps show, and no link can be taken out. */
const Chain = z.strictObject({
  epoch: Uuid,
  seq: z.int().positive(),
  previous: Sha256.meta({
    description:
      'SHA-256 of the header and payload of the previous signed outcome; of the epoch for the first.',
  }),
});

/**
 * The claims of a signed outcome (typ `passback-outcome+jwt`). Whatever was properly commanded is
 * chained; a refusal of something that was not is bound to the received bytes instead, so that
 * nobody can fill the agent's journal with garbage.
 */
export const OutcomeClaims = z
  .strictObject({
    iss: Uuid,
    aud: DirectoryId,
    iat: Seconds,
    token: Sha256.meta({
      description: 'SHA-256 of the header and payload of the command token this answers first.',
    }),
    cmd: Uuid.optional(),
    jti: Uuid.optional(),
    op: Op.optional(),
    digest: Sha256.optional(),
    ends: z.enum(['operation', 'dispatch']).optional().meta({
      description:
        'What this is the end of: the operation, whatever else is dispatched of it, or one dispatch that was turned away before anything was begun. Only with a chain.',
    }),
    chain: Chain.optional(),
    outcome: Outcome,
  })
  .meta({ id: 'OutcomeClaims' });

export type OutcomeClaims = z.infer<typeof OutcomeClaims>;

/** The claims of a signed inspection (typ `passback-inspection+jwt`). */
export const InspectionClaims = z
  .strictObject({
    iss: Uuid,
    aud: DirectoryId,
    iat: Seconds,
    jti: Uuid.meta({ description: 'The jti of the request this answers.' }),
    verdict: Outcome.omit({ effect: true }).optional().meta({
      description: 'Absent when the operation would be allowed; else why it would be refused.',
    }),
    account: AccountState.optional(),
  })
  .meta({ id: 'InspectionClaims' });

export type InspectionClaims = z.infer<typeof InspectionClaims>;
