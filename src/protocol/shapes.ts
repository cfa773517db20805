import { z } from 'zod';

/** RFC 9562 text form, lower case: one spelling, so that digests and map keys agree. */
export const Uuid = z
  .string()
  .regex(
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
    'expected a UUID: 32 hexadecimal digits in lower case, with hyphens',
  )
  .meta({ id: 'Uuid', description: 'A UUID or directory objectGUID in lower-case text form.' });

/** UTC with milliseconds, as `Date.prototype.toISOString` writes it. */
export const Timestamp = z.iso
  .datetime({ precision: 3 })
  .meta({ id: 'Timestamp', description: 'UTC, RFC 3339, milliseconds, ending in Z.' });

const INT64_EXPECTED = 'expected a 64-bit integer in decimal, as a text without leading zeros';

/** 64-bit directory values do not fit a JSON number. */
export const Int64 = z
  .string()
  .regex(/^(?:0|-?[1-9][0-9]{0,18})$/, { abort: true, error: INT64_EXPECTED })
  .refine((text) => BigInt.asIntN(64, BigInt(text)) === BigInt(text), INT64_EXPECTED)
  .meta({ id: 'Int64', description: 'A 64-bit integer in decimal, in its one spelling.' });

/** RFC 7519 NumericDate: whole seconds since the epoch. */
export const Seconds = z.int().positive();

export const DirectoryId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'expected 1 to 63 lower-case letters, digits and hyphens, with no hyphen first',
  )
  .meta({
    id: 'DirectoryId',
    description: 'The name of one directory (one domain), chosen by the admin.',
  });

/** No blank, control character or surrogate: it stands in log lines and in canonical JSON. */
export const HostName = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /^[^\u0000-\u0020\u007f-\u00a0\ud800-\udfff]+$/,
    'expected a host name or an address, without blanks and control characters',
  )
  .meta({ id: 'HostName' });

export const Base64Url = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/, 'expected base64url: letters, digits, - and _, no padding');

/** RFC 7638 SHA-256 thumbprint, or any other SHA-256 in base64url. */
export const Sha256 = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, 'expected a SHA-256 in base64url: 43 letters, digits, - and _')
  .meta({ id: 'Sha256', description: 'A SHA-256 in base64url.' });

/** A JWS in compact serialisation; what it says is known only after it was verified. */
export const CompactJws = z
  .string()
  .max(48 * 1024)
  .regex(
    /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/,
    'expected a JWS in compact serialisation: three parts in base64url, with dots between',
  );

/** Free text by a person or a server, without control characters. */
export const ShortText = z
  .string()
  .max(512, 'expected at most 512 characters')
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'expected one line without control characters');

export type Timestamp = z.infer<typeof Timestamp>;

/** The protocol's spelling of a moment given in epoch milliseconds. */
export function timestamp(epochMs: number): Timestamp {
  return new Date(epochMs).toISOString();
}
