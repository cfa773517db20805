import { randomUUID } from 'node:crypto';
import type { AccountState, EffectivePolicy } from '../../protocol/account.ts';
import { bindingText, type SecretBinding } from '../../protocol/canonical.ts';
import type { Operation } from '../../protocol/codes.ts';
import { OPERATION_LIFETIME_MS, type InspectClaims } from '../../protocol/command.ts';
import type { PublicKey } from '../../protocol/keys.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { AgentRecord, PreparedOperation } from '../store/records.ts';
import { isInService } from './admittance.ts';
import { askAgents } from './ask-agents.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { resolveOptions, type WishedOptions } from './operation-options.ts';
import { isPaused, pauseInWords } from './pause.ts';
import { ServiceError } from './service-error.ts';

export interface Wish {
  readonly account: InspectClaims['account'];
  readonly op: Operation;
  readonly options: WishedOptions;
}

export interface Prepared {
  readonly operation: PreparedOperation;
  readonly recipients: readonly RecipientKey[];
  /** What the secret has to be bound to, and its canonical text. */
  readonly binding: SecretBinding;
  readonly aad: string;
  readonly policy: EffectivePolicy;
}

/** A key to seal to, with what a caller needs to check it on its own. */
export interface RecipientKey {
  readonly agent: string;
  readonly name: string;
  readonly fingerprint: string;
  /** What the statement is verified with; the fingerprint is its thumbprint. */
  readonly deviceKey: PublicKey;
  readonly key: PublicKey;
  readonly statement: string;
}

/**
 * Finds out whether an operation would be taken before anybody types a password, and fixes what
 * the caller has to seal to. Rejects with `ServiceError`.
 */
export async function prepare(
  core: Core,
  caller: Caller,
  wish: Wish,
  signal: AbortSignal,
): Promise<Prepared> {
  const options = resolveOptions(wish.op, wish.options);
  await refuseWhilePaused(core, caller.directory);
  const account = await ask(core, caller, wish, signal);
  const recipients = (await core.store.agents.list(caller.directory))
    .filter(isInService)
    .map(toRecipientKey);
  const now = core.clock.now();
  const operation: PreparedOperation = {
    id: randomUUID(),
    directory: caller.directory,
    apiKey: caller.apiKey,
    actor: caller.actor,
    by: caller.by,
    op: wish.op,
    objectGuid: account.objectGuid,
    options,
    baseline: account.baseline,
    notAfter: now + OPERATION_LIFETIME_MS,
    createdAt: now,
    recipients: recipients.map(({ agent, key }) => ({ agent, kid: key.kid })),
  };
  await core.store.operations.prepare(operation);
  core.log.info('cloud.operation_prepared', {
    cmd: operation.id,
    op: wish.op,
    directory: caller.directory,
    actor: caller.actor,
    account: account.objectGuid,
  });
  const binding = bindingOf(operation);
  return { operation, recipients, binding, aad: bindingText(binding), policy: account.policy };
}

async function ask(
  core: Core,
  caller: Caller,
  { op, account }: Wish,
  signal: AbortSignal,
): Promise<AccountState> {
  const startedAt = core.clock.monotonic();
  let allowed = false;
  try {
    const state = await askAgents(core, { ...caller, op, account }, signal);
    allowed = true;
    return state;
  } finally {
    core.meters.prepared(allowed, (core.clock.monotonic() - startedAt) / 1000);
  }
}

/** What the secret of an operation is bound to. */
export function bindingOf(operation: PreparedOperation): SecretBinding {
  return {
    directory: operation.directory,
    cmd: operation.id,
    op: operation.op,
    account: { objectGuid: operation.objectGuid },
    options: operation.options,
    baseline: operation.baseline,
    notAfter: timestamp(operation.notAfter),
  };
}

async function refuseWhilePaused(core: Core, directoryId: string): Promise<void> {
  const directory = await core.store.directories.find(directoryId);
  if (directory === undefined || !isPaused(directory.toggle, core.clock.now())) return;
  const { until } = directory.toggle;
  throw new ServiceError('PAUSED', {
    detail: pauseInWords(directory.toggle),
    ...(until !== undefined && { notBefore: timestamp(until) }),
    action: 'When the reason is gone, run `passback-cloud resume`.',
  });
}

function toRecipientKey(agent: AgentRecord): RecipientKey {
  return {
    agent: agent.id,
    name: agent.name,
    fingerprint: agent.deviceKey.kid,
    deviceKey: agent.deviceKey,
    key: agent.sealingKey,
    statement: agent.sealingStatement,
  };
}
