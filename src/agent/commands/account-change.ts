import type { CryptoKey } from 'jose';
import type { CommandClaims } from '../../protocol/command.ts';
import type { Effect } from '../../protocol/outcome.ts';
import { isEncodable, open, SealingError, type SecretContent } from '../../protocol/sealing.ts';
import { Secret } from '../../support/secret.ts';
import type { AccountChange, AccountReading } from '../directory/directory.ts';
import type { GuardSettings } from './guard/guard-settings.ts';
import { Refusal } from './outcomes.ts';

export interface ChangeContext {
  readonly guard: GuardSettings;
  readonly sealingKey: (kid: string) => CryptoKey | undefined;
  /** The first of the keys a secret was sealed to that nobody on site vouches for. */
  readonly stranger: (recipients: readonly string[]) => Promise<string | undefined>;
}

/** Opens the secret (if the operation has one) for exactly this command. Rejects with `Refusal`. */
export async function changeOf(
  claims: CommandClaims,
  { guard, sealingKey, stranger }: ChangeContext,
): Promise<AccountChange> {
  if (claims.op === 'unlock') return { op: 'unlock' };
  const unknown = await stranger(claims.recipients);
  if (unknown !== undefined) {
    throw new Refusal('UNKNOWN_RECIPIENT', {
      message: `sealed to an unknown key, too: ${unknown}`,
    });
  }
  const content = await openSecret(claims, sealingKey);
  const password = encodable(content.password);
  if (claims.op === 'reset') {
    const { unlock, mustChange, by } = claims;
    return { op: 'reset', password, unlock, mustChange, policyHints: guard.policyHints[by] };
  }
  if (content.oldPassword === undefined) throw new Refusal('MALFORMED');
  return { op: 'change', password, oldPassword: encodable(content.oldPassword) };
}

/** Must-change is left out for an account whose password never expires: the directory would ignore it. */
export function mustChangeOf(
  { op, mustChange }: CommandClaims,
  { passwordNeverExpires }: AccountReading,
): Effect['mustChange'] {
  if (op !== 'reset' || !mustChange) return 'not-asked';
  return passwordNeverExpires ? 'skipped-never-expires' : 'set';
}

/** The change as it is sent. */
export function planned(change: AccountChange, mustChange: Effect['mustChange']): AccountChange {
  return change.op === 'reset' ? { ...change, mustChange: mustChange === 'set' } : change;
}

function openSecret(
  claims: Exclude<CommandClaims, { op: 'unlock' }>,
  sealingKey: ChangeContext['sealingKey'],
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
