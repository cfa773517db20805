import {
  base64url,
  flattenedDecrypt,
  GeneralEncrypt,
  importJWK,
  type CryptoKey,
  errors,
} from 'jose';
import { bindingText, type SecretBinding } from './canonical.ts';
import { isTrulyNamed, PublicKey } from './keys.ts';
import {
  MAX_RECIPIENTS,
  ProtectedHeader,
  type DispatchedSecret,
  type SealedSecret,
} from './sealed.ts';

/** Longest password in UTF-16 units that either side takes. */
export const MAX_PASSWORD_UNITS = 256;

const BLOCK = 256;
const KEY_MANAGEMENT = 'ECDH-ES+A256KW';
const CONTENT_ENCRYPTION = 'A256GCM';

export interface SecretContent {
  readonly password: string;
  readonly oldPassword?: string;
}

export type SealingErrorCode =
  /** A password that nobody could log on with: NUL, a lone surrogate, or too long. */
  | 'PASSWORD_NOT_ENCODABLE'
  /** Nobody, or more agents than a directory may have, to seal to. */
  | 'NO_RECIPIENT'
  /** A key to seal to is no P-256 sealing key, goes by another key's name, is there twice, or nobody vouches for it. */
  | 'BAD_RECIPIENT'
  /** The ciphertext was altered, is for another key, or is bound to another operation. */
  | 'NOT_OPENABLE';

export class SealingError extends Error {
  override readonly name = 'SealingError';
  readonly code: SealingErrorCode;
  readonly retryable = false;

  constructor(code: SealingErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Seals a password to every agent's key so that it opens for this operation only. Runs in browsers
 * and in Node. Rejects with `SealingError`; nothing in an error quotes the password.
 */
export async function seal(
  content: SecretContent,
  recipients: readonly PublicKey[],
  binding: SecretBinding,
): Promise<SealedSecret> {
  for (const password of [content.password, content.oldPassword ?? '']) {
    if (!isEncodable(password)) {
      throw new SealingError('PASSWORD_NOT_ENCODABLE', `seal: ${NOT_ENCODABLE}`);
    }
  }
  if (recipients.length === 0 || recipients.length > MAX_RECIPIENTS) {
    throw new SealingError('NO_RECIPIENT', `seal: 1 to ${MAX_RECIPIENTS} sealing keys are needed`);
  }
  await checkRecipients(recipients);
  const jwe = new GeneralEncrypt(pad(JSON.stringify(content)))
    .setProtectedHeader({ enc: CONTENT_ENCRYPTION })
    .setAdditionalAuthenticatedData(new TextEncoder().encode(bindingText(binding)));
  for (const { kty, crv, x, y, kid } of recipients) {
    jwe
      .addRecipient(await importJWK({ kty, crv, x, y }, KEY_MANAGEMENT))
      .setUnprotectedHeader({ alg: KEY_MANAGEMENT, kid });
  }
  return (await jwe.encrypt()) as unknown as SealedSecret; // its shape is fixed by the options above
}

/**
 * Opens what was sealed, for the operation it was sealed for. The result is not checked by
 * `isEncodable`: a sealer of somebody else's making may have let anything through.
 */
export async function open(
  secret: DispatchedSecret,
  key: CryptoKey,
  binding: SecretBinding,
): Promise<SecretContent> {
  const aad = base64url.encode(new TextEncoder().encode(bindingText(binding)));
  // Whoever may call the API writes this header, and jose throws what is no JOSEError at some of them.
  if (!isOurHeader(secret.protected)) throw notOpenable();
  try {
    const { plaintext } = await flattenedDecrypt({ ...secret, aad }, key, {
      keyManagementAlgorithms: [KEY_MANAGEMENT],
      contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
    });
    return parse(unpad(plaintext));
  } catch (error) {
    if (error instanceof SealingError) throw error;
    if (!(error instanceof errors.JOSEError)) throw error;
    throw notOpenable();
  }
}

async function checkRecipients(recipients: readonly PublicKey[]): Promise<void> {
  for (const key of recipients) {
    const { success, data } = PublicKey.safeParse(key);
    if (!success || data.use !== 'enc' || !(await isTrulyNamed(data))) {
      throw new SealingError('BAD_RECIPIENT', 'seal: not a P-256 sealing key by its own name');
    }
  }
  if (new Set(recipients.map(({ kid }) => kid)).size < recipients.length) {
    throw new SealingError('BAD_RECIPIENT', 'seal: the same sealing key twice');
  }
}

const NOT_ENCODABLE = `a password must be at most ${MAX_PASSWORD_UNITS} UTF-16 units of well-formed text without NUL`;

/**
 * Whether Active Directory would store this password so that it can be typed again. It accepts NUL
 * and lone surrogates, and then nobody can log on.
 */
export function isEncodable(password: string): boolean {
  return (
    password.length <= MAX_PASSWORD_UNITS && !password.includes('\0') && password.isWellFormed()
  );
}

/** Big-endian length, text, zeros to a full block: the ciphertext tells nothing of the length. */
function pad(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array(Math.ceil((bytes.length + 2) / BLOCK) * BLOCK);
  new DataView(padded.buffer).setUint16(0, bytes.length);
  padded.set(bytes, 2);
  return padded;
}

function unpad(padded: Uint8Array): string {
  if (padded.length < BLOCK || padded.length % BLOCK !== 0) throw malformed();
  const length = new DataView(padded.buffer, padded.byteOffset).getUint16(0);
  if (length + 2 > padded.length || padded.subarray(length + 2).some((byte) => byte !== 0)) {
    throw malformed();
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      padded.subarray(2, length + 2),
    );
  } catch {
    throw malformed(); // the cause could quote the secret
  }
}

function isOurHeader(encoded: string): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(base64url.decode(encoded));
    return ProtectedHeader.safeParse(JSON.parse(text)).success;
  } catch {
    return false; // not base64url, not UTF-8 or not JSON: not what sealing makes
  }
}

function parse(text: string): SecretContent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(); // the cause would quote the secret
  }
  if (typeof value !== 'object' || value === null) throw malformed();
  const { password, oldPassword, ...rest } = value as Record<string, unknown>;
  if (typeof password !== 'string' || Object.keys(rest).length > 0) throw malformed();
  if (oldPassword === undefined) return { password };
  if (typeof oldPassword !== 'string') throw malformed();
  return { password, oldPassword };
}

function notOpenable(): SealingError {
  return new SealingError('NOT_OPENABLE', 'open: altered, or sealed for something else');
}

function malformed(): SealingError {
  return new SealingError('NOT_OPENABLE', 'open: not the padded JSON that sealing makes');
}
