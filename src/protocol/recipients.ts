import { importJWK } from 'jose';
import { isTrulyNamed, thumbprint, type PublicKey } from './keys.ts';
import { SealingError } from './sealing.ts';
import { TokenError, verifyToken } from './tokens.ts';

/** What `prepare` says of one agent that a secret is to be sealed to. */
export interface Recipient {
  /** Thumbprint of the device key: what the machine of the agent shows. */
  readonly fingerprint: string;
  readonly deviceKey: PublicKey;
  readonly key: PublicKey;
  /** The device key's word for `key`. */
  readonly statement: string;
}

/**
 * The keys to seal to, each under the signature of the device key that goes by its fingerprint, and
 * by one of `known`, where the caller knows the fingerprints of the agents from their machines.
 * Rejects with `SealingError`. Runs in browsers and in Node.
 *
 * With `known`, nobody but those agents can open what is sealed, whoever serves the list. Without, it
 * shows only that the list is consistent: who serves it could have made all of it. A key that an
 * agent has replaced passes as well; where its private half was stolen meanwhile, only the agent
 * deleting it in time helps.
 */
export async function vouchedKeys(
  recipients: readonly Recipient[],
  known?: readonly string[],
): Promise<PublicKey[]> {
  for (const recipient of recipients) {
    if (!(await isVouchedFor(recipient))) {
      throw new SealingError(
        'BAD_RECIPIENT',
        `seal: the sealing key of agent ${recipient.fingerprint} was not signed by it; nothing was sealed, ask the admin of the service`,
      );
    }
    if (known !== undefined && !known.includes(recipient.fingerprint)) {
      throw new SealingError(
        'BAD_RECIPIENT',
        `seal: the service names an agent ${recipient.fingerprint} that is not among the given fingerprints; nothing was sealed, compare it with what \`passback enroll\` printed on the machines`,
      );
    }
  }
  return recipients.map(({ key }) => key);
}

async function isVouchedFor(recipient: Recipient): Promise<boolean> {
  const { fingerprint, deviceKey, key, statement } = recipient;
  if ((await thumbprint(deviceKey)) !== fingerprint) return false;
  const { kty, crv, x, y } = deviceKey;
  const device = await importJWK({ kty, crv, x, y }, 'ES256').catch(() => undefined);
  if (device === undefined) return false; // no point of the curve
  try {
    const stated = await verifyToken('sealing-key', statement, {
      key: device,
      now: 0, // it holds until there is a newer one
      issuer: fingerprint,
    });
    // The same name is the same key only where both are called by their own thumbprints.
    return (
      stated.key.kid === key.kid && (await isTrulyNamed(key)) && (await isTrulyNamed(stated.key))
    );
  } catch (error) {
    if (error instanceof TokenError) return false;
    throw error;
  }
}
