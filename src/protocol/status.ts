import { z } from 'zod';
import { Op } from './command.ts';
import { ProtocolRange } from './protocol-range.ts';
import { CompactJws, HostName, Seconds, Sha256, ShortText, Timestamp, Uuid } from './shapes.ts';

export const WritebackState = z.enum(['running', 'paused', 'degraded', 'down']);

export const ControllerHealth = z
  .object({
    name: HostName,
    reachable: z.boolean(),
    bound: z.boolean(),
    policyHints: z.boolean().optional(),
    latencyMs: z.number().nonnegative().optional(),
    certificateExpiresAt: Timestamp.optional(),
    clockOffsetMs: z.number().optional(),
    problem: ShortText.optional(),
  })
  .meta({ id: 'ControllerHealth' });

export type ControllerHealth = z.infer<typeof ControllerHealth>;

const RightStanding = z.enum(['granted', 'missing', 'unknown']);

/** What the service account may do, over all base DNs: the worst of each. Which, the reasons say. */
export const Rights = z
  .object({
    resetPassword: RightStanding,
    writeLockoutTime: RightStanding,
    writePwdLastSet: RightStanding,
    unexpirePassword: RightStanding,
  })
  .meta({ id: 'Rights' });

export type Rights = z.infer<typeof Rights>;

/** What the agent says of itself. No personal data. */
export const StatusReport = z
  .object({
    at: Timestamp,
    state: WritebackState,
    reasons: z.array(ShortText).max(16),
    controllers: z.array(ControllerHealth).max(64),
    journal: z.object({
      epoch: Uuid,
      seq: z.int().nonnegative(),
      open: z.int().nonnegative(),
    }),
    counters: z.record(z.string().max(64), z.int().nonnegative()),
    keys: z.object({
      device: Sha256,
      sealing: Sha256,
      sealingSince: Timestamp,
      keySet: z.int().nonnegative(),
    }),
    rights: Rights.optional(),
    passwordExpiresAt: Timestamp.optional().meta({
      description: 'When the password of the service account expires; absent: never, or not known.',
    }),
    version: z.string().max(64),
    startedAt: Timestamp,
  })
  .meta({ id: 'StatusReport' });

export type StatusReport = z.infer<typeof StatusReport>;

const PerHour = z.int().positive();

const PolicyHintsName = z.enum(['require', 'prefer', 'off']);

const PerCaller = z.object({ self: PerHour, admin: PerHour });

/** What the agent's own configuration allows; shown, never negotiated. */
export const GuardSummary = z
  .object({
    self: z.array(Op),
    admin: z.array(Op),
    baseDns: z.array(z.string().max(1024)).max(64),
    /** How many there are: which ones is the business of the site. */
    deniedBaseDns: z.int().nonnegative(),
    allowedGroups: z.int().nonnegative(),
    protectedGroups: z.int().nonnegative(),
    protectedAccounts: z.int().nonnegative(),
    allowServicePrincipalNames: z.boolean(),
    limits: z.object({
      perAccount: PerHour,
      perActor: PerCaller,
      overall: PerHour,
      wrongPasswords: PerHour,
      inspections: PerCaller,
    }),
    breaker: z.object({
      windowMinutes: z.int().positive(),
      perActor: z.int().positive(),
      overall: z.int().positive(),
      /** Whether everything is stopped, and how many actors are. */
      open: z.boolean(),
      stoppedActors: z.int().nonnegative(),
    }),
    dryRun: z.boolean(),
    /** Whether resets are held to the password history. Absent: an older agent. */
    policyHints: z.object({ self: PolicyHintsName, admin: PolicyHintsName }).optional(),
    /** How many other agents' sealing keys are vouched for by name; absent: whatever the service says. */
    peers: z.int().nonnegative().optional(),
  })
  .meta({ id: 'GuardSummary' });

export type GuardSummary = z.infer<typeof GuardSummary>;

const MonotonicMs = z.int().nonnegative().meta({
  description:
    'The monotonic clock of the agent when it made this, in milliseconds; each command says how far it has come since.',
});

/**
 * The claims of `agent.hello` and of the answer to `session.renew` (typ `passback-hello+jwt`). It is
 * read before a protocol is agreed on: what is in it keeps its meaning for ever, and what a newer
 * agent says on top of that, here and in what it tells of itself, is left out.
 */
export const HelloClaims = z
  .object({
    iss: Uuid,
    aud: z.url(),
    iat: Seconds,
    monotonicMs: MonotonicMs,
    nonce: Sha256,
    sid: Uuid,
    version: z.string().max(64),
    protocols: ProtocolRange,
    sealingKey: CompactJws,
    capabilities: z.array(z.string().max(64)).max(32),
    guard: GuardSummary,
    status: StatusReport,
    journal: z.object({ epoch: Uuid, seq: z.int().nonnegative(), head: Sha256 }),
    toggle: z.int().nonnegative().meta({
      description:
        'The highest version of the writeback toggle that was taken; 0 before the first.',
    }),
  })
  .meta({ id: 'HelloClaims' });

export type HelloClaims = z.infer<typeof HelloClaims>;

/** The claims of the JWT in the upgrade request (typ `passback-connect+jwt`); what a newer agent says on top is left out. */
export const ConnectClaims = z.object({
  iss: Uuid,
  sub: Uuid,
  aud: z.url(),
  jti: Uuid,
  iat: Seconds,
  exp: Seconds,
});

/** The claims of `agent.status` (typ `passback-status+jwt`). */
export const StatusClaims = z.object({
  iss: Uuid,
  aud: z.url(),
  iat: Seconds,
  monotonicMs: MonotonicMs,
  report: StatusReport,
});

export type StatusClaims = z.infer<typeof StatusClaims>;
