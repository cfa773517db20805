import { z } from '@hono/zod-openapi';
import { AccountName, AccountRef, Baseline, EffectivePolicy } from '../../protocol/account.ts';
import { CODES, OUTCOME_CODES } from '../../protocol/codes.ts';
import { Op, OperationOptions } from '../../protocol/command.ts';
import { EncryptionKey, VerificationKey } from '../../protocol/keys.ts';
import { Outcome, RetryName } from '../../protocol/outcome.ts';
import { SealedSecret } from '../../protocol/sealed.ts';
import {
  CompactJws,
  DirectoryId,
  Sha256,
  ShortText,
  Timestamp,
  Uuid,
} from '../../protocol/shapes.ts';
import { GuardSummary, StatusReport } from '../../protocol/status.ts';
import { CONNECTIVITY } from '../writeback/connectivity.ts';
import { SERVICE_CODES } from '../writeback/service-codes.ts';

export const DirectoryParam = z.object({ directory: DirectoryId });

export const OperationParam = DirectoryParam.extend({ id: Uuid });

export const AgentParam = DirectoryParam.extend({ id: Uuid });

export const PreferHeader = z.object({
  prefer: z.string().optional().meta({
    description: 'RFC 7240: `wait=N` waits up to N (at most 60) seconds for the outcome.',
  }),
});

export const PrepareRequest = z
  .strictObject({
    account: z.union([z.strictObject({ name: AccountName }), AccountRef], {
      error: 'expected either { "name": "anna@corp.example.com" } or { "objectGuid": "…" }',
    }),
    op: Op,
    options: z
      .strictObject({ unlock: z.boolean().optional(), mustChange: z.boolean().optional() })
      .default({}),
  })
  .meta({ id: 'PrepareRequest' });

export const RecipientKey = z
  .object({
    agent: Uuid,
    name: z.string(),
    fingerprint: Sha256.meta({
      description: 'Thumbprint of the device key; compare it with what the machine shows.',
    }),
    deviceKey: VerificationKey.meta({
      description: 'What `statement` is verified with; its thumbprint is the fingerprint.',
    }),
    key: EncryptionKey,
    statement: CompactJws.meta({ description: "The device key's word for `key`." }),
  })
  .meta({ id: 'RecipientKey' });

export const PreparedOperation = z
  .object({
    operation: Uuid,
    objectGuid: Uuid,
    op: Op,
    options: OperationOptions,
    baseline: Baseline,
    notAfter: Timestamp,
    recipients: z.array(RecipientKey),
    aad: z.string().meta({ description: 'What the secret is bound to, as canonical JSON.' }),
    policy: EffectivePolicy,
  })
  .meta({ id: 'PreparedOperation' });

export const SubmitRequest = z
  .strictObject({ secret: SealedSecret.optional() })
  .meta({ id: 'SubmitRequest', description: 'An unlock has no secret: `{}`.' });

export const OperationView = z
  .object({
    operation: Uuid,
    status: z.enum(['prepared', 'pending', 'applied', 'refused', 'failed', 'unknown', 'expired']),
    final: z.boolean().meta({ description: 'Nothing that happens later can change the status.' }),
    op: Op,
    objectGuid: Uuid,
    createdAt: Timestamp,
    notAfter: Timestamp,
    finishedAt: Timestamp.optional(),
    code: z.enum(OUTCOME_CODES).optional(),
    retry: RetryName.optional(),
    meaning: z.string().optional(),
    action: z.string().optional(),
    agent: Uuid.optional(),
    outcome: Outcome.optional(),
    signedOutcome: CompactJws.optional(),
  })
  .meta({ id: 'OperationView' });

export const ToggleRequest = z
  .strictObject({
    enabled: z.boolean(),
    reason: ShortText.default(''),
    until: Timestamp.optional().meta({
      description: 'When a pause ends by itself, at most 30 days from now; absent: with a resume.',
    }),
    forSeconds: z.int().positive().optional().meta({
      description: 'The same, from now on.',
    }),
  })
  .meta({ id: 'ToggleRequest' });

export const ToggleView = z
  .object({
    enabled: z.boolean().meta({ description: 'Now: a pause whose time is over is none.' }),
    version: z.int(),
    reason: z.string(),
    by: z.string(),
    at: Timestamp,
    until: Timestamp.optional().meta({
      description: 'When the pause ends, or has ended, by itself.',
    }),
  })
  .meta({ id: 'ToggleView' });

export const ToggleAnswer = ToggleView.extend({
  wasEnabled: z.boolean().meta({ description: 'Whether it was on before.' }),
}).meta({ id: 'ToggleAnswer' });

export const AgentView = z
  .object({
    id: Uuid,
    name: z.string(),
    state: z.enum(['pending', 'approved', 'revoked']),
    connected: z.boolean(),
    outdated: z.boolean().meta({ description: 'It is older than this service.' }),
    fingerprint: Sha256,
    version: z.string(),
    enrolledAt: Timestamp,
    decidedAt: Timestamp.optional(),
    decidedBy: z.string().optional(),
    seenAt: Timestamp.optional(),
    sealingKey: z.object({ kid: Sha256, since: Timestamp }),
    guard: GuardSummary.optional(),
    report: StatusReport.optional(),
    disabled: z
      .object({ at: Timestamp, by: z.string(), reason: z.string() })
      .optional()
      .meta({ description: 'It is kept out until somebody enables it, whatever its state.' }),
    turnedAway: z
      .object({ at: Timestamp, version: z.string(), reason: z.string() })
      .optional()
      .meta({ description: 'Why it was not let in the last time that it tried: it is too old.' }),
  })
  .meta({ id: 'AgentView' });

export const AgentList = z.object({ agents: z.array(AgentView) }).meta({ id: 'AgentList' });

export const ApproveRequest = z
  .strictObject({ fingerprint: Sha256 })
  .meta({ id: 'ApproveRequest' });

export const DisableRequest = z
  .strictObject({ reason: ShortText.default('') })
  .meta({ id: 'DisableRequest' });

export const TokenView = z
  .object({ id: Uuid, token: z.string(), expiresAt: Timestamp })
  .meta({ id: 'EnrollmentToken' });

export const StatusView = z
  .object({
    directory: DirectoryId,
    connectivity: z.enum(CONNECTIVITY),
    summary: z.string().meta({ description: 'The same in words.' }),
    action: z.string().optional().meta({ description: 'What to do about it.' }),
    writeback: ToggleView,
    pendingOperations: z.int(),
    agents: z.array(AgentView),
  })
  .meta({ id: 'DirectoryStatus' });

export const AuditQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  before: z.coerce.number().int().positive().optional(),
});

export const AuditView = z
  .object({
    entries: z.array(
      z.object({
        seq: z.int(),
        at: Timestamp,
        actor: z.string(),
        action: z.string(),
        target: z.string().optional(),
        detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
        signedOutcome: CompactJws.optional(),
      }),
    ),
    next: z.int().optional().meta({ description: 'Pass as `before` for the next page.' }),
  })
  .meta({ id: 'AuditPage' });

/** Every outcome code with its meaning, for the document. */
export const CODE_LIST = codeList(CODES);

/** What else stands as `code` in a problem. */
export const SERVICE_CODE_LIST = codeList(SERVICE_CODES);

function codeList(codes: Readonly<Record<string, { readonly meaning: string }>>): string {
  return Object.entries(codes)
    .map(([code, { meaning }]) => `- \`${code}\`: ${meaning}`)
    .join('\n');
}
