import { createHash } from 'node:crypto';

/**
 * The SID of `NT SERVICE\name`: S-1-5-80 and the SHA-1 of the name in capitals (MS-DTYP 2.4.2.4 says
 * where it lies; the derivation is that of `sc showsid`). Known before the service exists.
 */
export function serviceSid(name: string): string {
  const digest = createHash('sha1').update(Buffer.from(name.toUpperCase(), 'utf16le')).digest();
  const parts = [0, 4, 8, 12, 16].map((offset) => digest.readUInt32LE(offset));
  return ['S-1-5-80', ...parts].join('-');
}
