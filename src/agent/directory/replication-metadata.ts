import type { AccountReading } from './directory.ts';
import { fromFiletime } from './filetime.ts';
import { guidText } from './guid.ts';

type PasswordMetadata = NonNullable<AccountReading['unicodePwd']>;

/** The ATTRTYP of `unicodePwd`: OID 1.2.840.113556.1.4.90 under the default prefix table (MS-DRSR 5.16.4). */
const UNICODE_PWD = 0x9_005a;

/** Later ones have no four-digit year: they are nobody's, and the protocol has no spelling for them. */
const LAST_MOMENT = Date.UTC(9999, 11, 31);

const HEADER_BYTES = 16;
const RECORD_BYTES = 48;

/**
 * Who wrote `unicodePwd` last, from `replPropertyMetaData` (PROPERTY_META_DATA_VECTOR, MS-DRSR
 * 5.162); undefined when the bytes do not tell.
 */
export function passwordMetadata(blob: Buffer): PasswordMetadata | undefined {
  if (blob.length < HEADER_BYTES || blob.readUInt32LE(0) !== 1) return undefined;
  const count = blob.readUInt32LE(8);
  if (count > (blob.length - HEADER_BYTES) / RECORD_BYTES) return undefined;
  for (let at = HEADER_BYTES, i = 0; i < count; i++, at += RECORD_BYTES) {
    if (blob.readUInt32LE(at) === UNICODE_PWD) return toMetadata(blob.subarray(at));
  }
  return undefined;
}

function toMetadata(record: Buffer): PasswordMetadata | undefined {
  // A DSTIME: seconds since 1601, not the 100 ns of a FILETIME.
  const changedAt = fromFiletime(String(record.readBigUInt64LE(8) * 10_000_000n));
  const invocationId = guidText(record.subarray(16, 32));
  if (changedAt === undefined || changedAt > LAST_MOMENT || invocationId === undefined) {
    return undefined;
  }
  return {
    version: record.readUInt32LE(4),
    changedAt: new Date(changedAt).toISOString(),
    invocationId,
    usn: String(record.readBigInt64LE(32)),
  };
}
