import { z } from 'zod';
import { AccountName, AccountRef, Baseline } from './account.ts';
import { DispatchedSecret, MAX_RECIPIENTS } from './sealed.ts';
import { DirectoryId, HostName, Int64, Seconds, Sha256, Timestamp, Uuid } from './shapes.ts';

/** Lifetime of a command token, and what either clock may be off: seconds. */
export const TOKEN_LIFETIME_S = 60;
export const CLOCK_TOLERANCE_S = 30;

/** An operation ends at most this long after it was prepared. */
export const OPERATION_LIFETIME_MS = 5 * 60_000;

/** The write begins this soon after the command was signed or not at all, and has this long to end (monotonic clock). */
export const START_WITHIN_MS = 5_000;
export const WRITE_WITHIN_MS = 8_000;

export const Op = z.enum(['reset', 'change', 'unlock']);

export const By = z.enum(['self', 'admin']);

/** Opaque to the agent: an id in the service's books, never a name. */
export const Actor = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'expected 1 to 128 printable ASCII characters without blanks');

/** What an admin or a person chooses about an operation; unlocking comes with a reset unless declined. */
export const OperationOptions = z
  .strictObject({ unlock: z.boolean(), mustChange: z.boolean() })
  .meta({ id: 'OperationOptions' });

export type OperationOptions = z.infer<typeof OperationOptions>;

/** An earlier dispatch of the same operation: whose write a moved baseline may be. */
export const Attempt = z
  .strictObject({
    agent: Uuid,
    from: Timestamp,
    until: Timestamp,
    controller: HostName.optional(),
  })
  .meta({ id: 'Attempt' });

const common = {
  iss: z.url(),
  aud: DirectoryId,
  agent: Uuid,
  cmd: Uuid,
  jti: Uuid,
  sid: Uuid,
  iat: Seconds,
  exp: Seconds,
  signedAt: Timestamp.meta({
    description:
      'When this was signed, by the clock that the times of `attempts` are of: a second is too long to tell the write of one agent from what somebody else did just before.',
  }),
  notAfter: Timestamp,
  startWithinMs: z.int().positive().max(START_WITHIN_MS),
  monotonicMs: z.int().nonnegative().meta({
    description:
      'How far the monotonic clock of the agent was at the least when this was signed: what the agent last stated, and what has passed since that came. It bounds how long a frame was held back, whatever the wall clocks say.',
  }),
  account: AccountRef,
  by: By,
  actor: Actor,
  ...OperationOptions.shape,
  attempts: z.array(Attempt).max(16),
};

/** As many values as a command names at the most. */
export const MAX_KNOWN_PASSWORDS_SET = 16;

const sealed = {
  baseline: Baseline,
  knownPwdLastSet: z.array(Int64).max(MAX_KNOWN_PASSWORDS_SET).optional().meta({
    description:
      'What other operations have left in pwdLastSet since the baseline, by their signed outcomes: an account that shows one of these was written by them.',
  }),
  recipients: z.array(Sha256).min(1).max(MAX_RECIPIENTS),
  secret: DispatchedSecret,
};

/** The claims of a command token (typ `passback-command+jwt`). */
export const CommandClaims = z
  .discriminatedUnion('op', [
    z.strictObject({ ...common, op: z.literal('reset'), ...sealed }),
    z.strictObject({ ...common, op: z.literal('change'), ...sealed }),
    z.strictObject({ ...common, op: z.literal('unlock'), baseline: Baseline.optional() }),
  ])
  .meta({ id: 'CommandClaims' });

export type CommandClaims = z.infer<typeof CommandClaims>;

/** The claims of an inspection request (typ `passback-inspect+jwt`): reading is asked for under signature, too. */
export const InspectClaims = z
  .strictObject({
    iss: z.url(),
    aud: DirectoryId,
    agent: Uuid,
    jti: Uuid,
    sid: Uuid,
    iat: Seconds,
    exp: Seconds,
    by: By,
    actor: Actor,
    op: Op,
    account: z.union([AccountRef, z.strictObject({ name: AccountName })]),
  })
  .meta({ id: 'InspectClaims' });

export type InspectClaims = z.infer<typeof InspectClaims>;

/** The claims of a writeback toggle (typ `passback-writeback+jwt`); the highest version counts, and it is a time: epoch milliseconds. */
export const ToggleClaims = z
  .strictObject({
    iss: z.url(),
    aud: DirectoryId,
    iat: Seconds,
    version: z.int().positive(),
    enabled: z.boolean(),
    reason: z.string().max(512),
    by: Actor,
    until: Timestamp.optional().meta({
      description:
        'When a pause ends, by the clock of whoever is asked; nothing more is said then. Absent: with a later statement.',
    }),
  })
  .meta({ id: 'ToggleClaims' });

export type ToggleClaims = z.infer<typeof ToggleClaims>;

/** A pause that somebody forgot has to end in sight of whoever ordered it; a longer one is ordered without an end. */
export const MAX_PAUSE_MS = 30 * 24 * 3600_000;

/** Whether a toggle lets writes through at a time: a pause is over when its time is. */
export function isWritable(
  { enabled, until }: { readonly enabled: boolean; readonly until?: number | undefined },
  now: number,
): boolean {
  return enabled || (until !== undefined && now >= until);
}
