/** A SID as text, `S-1-5-21-…` (MS-DTYP 2.4.2); undefined when the bytes are none. */
export function sidText(sid: Buffer): string | undefined {
  const [revision, count] = sid;
  if (revision !== 1 || count === undefined || sid.length !== 8 + 4 * count) return undefined;
  const parts = ['S', revision, sid.readUIntBE(2, 6)];
  for (let i = 0; i < count; i++) parts.push(sid.readUInt32LE(8 + 4 * i));
  return parts.join('-');
}

/** The SID of the domain that issued this one. */
export function domainOf(sid: string): string {
  return sid.slice(0, sid.lastIndexOf('-'));
}
