import { base64url } from 'jose';

/** The prime of P-256 and the b of its equation (FIPS 186-4, D.1.2.3). */
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** Whether two JWK coordinates, each in its one canonical spelling, are a point of P-256. Never throws. */
export function isPoint(x: string, y: string): boolean {
  const [px, py] = [coordinate(x), coordinate(y)];
  if (px === undefined || py === undefined) return false;
  return (py * py - (px * px * px - 3n * px + B)) % P === 0n;
}

function coordinate(text: string): bigint | undefined {
  if (!/^[A-Za-z0-9_-]{43}$/.test(text)) return undefined;
  const bytes = base64url.decode(text);
  // The last of 43 characters holds two bits too many: set, they would be a second spelling.
  if (base64url.encode(bytes) !== text) return undefined;
  const value = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return value < P ? value : undefined;
}
