import type { CryptoKey } from 'jose';
import type { By, Operation } from '../../protocol/codes.ts';
import { WRITE_WITHIN_MS, type CommandClaims } from '../../protocol/command.ts';
import type { Effect, Outcome } from '../../protocol/outcome.ts';
import { isEncodable, open, SealingError, type SecretContent } from '../../protocol/sealing.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { Clock } from '../../support/clock.ts';
import { Secret } from '../../support/secret.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type {
  AccountChange,
  AccountReading,
  AppliedChange,
  Directory,
} from '../directory/directory.ts';
import type { Admission } from './admission.ts';
import { allowsOperation, refusalFor } from './guard.ts';
import type { GuardSettings } from './guard-settings.ts';
import type { Intent } from './journal-records.ts';
import { outcome, Refusal, toOutcome } from './outcomes.ts';
import { explainRefusal } from './password-rules.ts';

/** Reading an account takes milliseconds; a person is waiting. */
export const READ_WITHIN_MS = 5_000;

/** Kerberos' own limit (RFC 4120): past it the domain has other troubles, and times mean nothing. */
const MAX_SKEW_MS = 5 * 60_000;

export interface Executor {
  readonly directory: Directory;
  readonly guard: GuardSettings;
  readonly admission: Admission;
  readonly sealingKey: (kid: string) => CryptoKey | undefined;
  readonly clock: Clock;
}

/** What the journal and the service are told along the way. */
export interface Steps {
  /** Makes the intent durable; the write follows only when it resolves. */
  intend(intent: Omit<Intent, 'type' | 'jti' | 'digest'>): Promise<void>;
  began(controller: string): void;
}

export interface Execution {
  readonly claims: CommandClaims;
  /** When the command arrived, on the monotonic clock. */
  readonly receivedAt: number;
}

/**
 * Carries a verified command out: everything that can refuse it first, then the intent, then one
 * write. Resolves for every expected failure; rejects only for a bug or a journal that fails.
 */
export async function execute(
  { claims, receivedAt }: Execution,
  executor: Executor,
  steps: Steps,
  signal: AbortSignal,
): Promise<Outcome> {
  const { directory, clock } = executor;
  const tookMs = (): number => clock.monotonic() - receivedAt;
  try {
    checkAllowed(claims, executor.guard);
    executor.admission.take(claims);
    const { objectGuid } = claims.account;
    const { change, account } = await withDeadline(READ_WITHIN_MS, signal, async (within) => {
      // Neither needs the other; a secret that does not open is the refusal, whatever is read.
      const reading = directory.read({ objectGuid }, within);
      reading.catch(() => undefined);
      return { change: await changeOf(claims, executor), account: await reading };
    });
    checkAccount(account, claims, executor.guard);
    if (claims.op === 'change') executor.admission.checkChange(account);
    const planned = plan(change, account);
    if (executor.guard.dryRun) throw rehearsed(account);
    await steps.intend(intentOf(claims, account, clock));
    checkTime({ claims, receivedAt }, clock);
    steps.began(account.controller);
    const applied = await withDeadline(WRITE_WITHIN_MS, signal, (within) =>
      directory
        .apply({ objectGuid, controller: account.controller }, planned, within)
        .catch((error: unknown) => {
          throw explainRefusal(error, planned, account);
        }),
    );
    return outcome('APPLIED', tookMs(), {
      controller: account.controller,
      effect: effectOf(change, planned, applied, account),
    });
  } catch (error) {
    return toOutcome(error, tookMs());
  }
}

/** Why an account may not be touched, as a refusal; the same for a command and for an inspection. */
export function checkAllowed(request: { op: Operation; by: By }, guard: GuardSettings): void {
  if (!allowsOperation(request, guard)) throw new Refusal('OPERATION_NOT_ALLOWED');
}

/** Throws the guard's refusal of an account, or the clock's. */
export function checkGuard(
  account: AccountReading,
  request: { op: Operation; by: By },
  guard: GuardSettings,
): void {
  const controller = account.controller;
  if (Math.abs(account.controllerTimeMs - account.readAtMs) > MAX_SKEW_MS) {
    const message = `clocks differ: this machine ${timestamp(account.readAtMs)}, ${controller} ${timestamp(account.controllerTimeMs)}`;
    throw new Refusal('CLOCK_SKEW', { controller, message });
  }
  const refused = refusalFor(account, request, guard);
  if (refused !== undefined) throw new Refusal(refused, { controller });
}

function checkAccount(account: AccountReading, claims: CommandClaims, guard: GuardSettings): void {
  checkGuard(account, claims, guard);
  if (claims.op === 'unlock') return; // the state itself decides: an unlocked account stays so
  const { baseline } = claims;
  const moved =
    baseline.pwdLastSet !== account.pwdLastSet ||
    (baseline.unicodePwd !== undefined &&
      account.unicodePwd !== undefined &&
      baseline.unicodePwd.version !== account.unicodePwd.version);
  if (moved) throw new Refusal('SUPERSEDED', { controller: account.controller });
}

/** Nothing is left to check: without the dry run the intent and the write would follow. */
function rehearsed({ controller }: AccountReading): Refusal {
  return new Refusal('DRY_RUN', { controller, dryRun: true });
}

/** Opens the secret (if the operation has one) for exactly this command. */
async function changeOf(claims: CommandClaims, executor: Executor): Promise<AccountChange> {
  if (claims.op === 'unlock') return { op: 'unlock' };
  const content = await openSecret(claims, executor.sealingKey);
  const password = encodable(content.password);
  if (claims.op === 'reset') {
    const { unlock, mustChange } = claims;
    return {
      op: 'reset',
      password,
      unlock,
      mustChange,
      policyHints: executor.guard.policyHints[claims.by],
    };
  }
  if (content.oldPassword === undefined) throw new Refusal('MALFORMED');
  return { op: 'change', password, oldPassword: encodable(content.oldPassword) };
}

function openSecret(
  claims: Exclude<CommandClaims, { op: 'unlock' }>,
  sealingKey: Executor['sealingKey'],
): Promise<SecretContent> {
  const { aud, cmd, op, account, unlock, mustChange, baseline, notAfter, secret } = claims;
  const key = sealingKey(secret.header.kid);
  if (key === undefined) throw new Refusal('UNKNOWN_KEY');
  const options = { unlock, mustChange };
  const binding = { directory: aud, cmd, op, account, options, baseline, notAfter };
  return open(secret, key, binding).catch((error: unknown) => {
    throw error instanceof SealingError ? new Refusal('NOT_OPENABLE') : error;
  });
}

function encodable(password: string): Secret {
  if (!isEncodable(password)) throw new Refusal('PASSWORD_NOT_ENCODABLE');
  return new Secret(password);
}

/** Must-change is left out for an account whose password never expires: the directory would ignore it. */
function plan(change: AccountChange, account: AccountReading): AccountChange {
  if (change.op !== 'reset' || !change.mustChange || !account.passwordNeverExpires) return change;
  return { ...change, mustChange: false };
}

function intentOf(
  claims: CommandClaims,
  account: AccountReading,
  clock: Clock,
): Omit<Intent, 'type' | 'jti' | 'digest'> {
  const { controller, pwdLastSet, lockoutTime, unicodePwd, objectGuid } = account;
  const { cmd, op, notAfter } = claims;
  const at = timestamp(clock.now());
  const known = { cmd, op, objectGuid, controller, pwdLastSet, lockoutTime, notAfter, at };
  return unicodePwd === undefined ? known : { ...known, unicodePwd };
}

/** The last look at the clocks before bytes leave. */
function checkTime({ claims, receivedAt }: Execution, clock: Clock): void {
  if (clock.now() > Date.parse(claims.notAfter)) throw new Refusal('EXPIRED');
  if (clock.monotonic() - receivedAt > claims.startWithinMs) throw new Refusal('BUSY');
}

function effectOf(
  asked: AccountChange,
  planned: AccountChange,
  { pwdLastSet, historyEnforced }: AppliedChange,
  account: AccountReading,
): Effect {
  const mustChange = planned.op === 'reset' && planned.mustChange;
  return {
    passwordSet: planned.op !== 'unlock',
    unlocked: account.locked && unlocks(planned),
    mustChange: mustChange ? 'set' : asked === planned ? 'not-asked' : 'skipped-never-expires',
    mustChangeForcedByDirectory: planned.op === 'reset' && !mustChange && pwdLastSet === '0',
    ...(pwdLastSet !== undefined && { pwdLastSet }),
    historyEnforced,
  };
}

function unlocks(change: AccountChange): boolean {
  return change.op === 'unlock' || (change.op === 'reset' && change.unlock);
}
