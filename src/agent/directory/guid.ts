/** A GUID as the protocol spells it: its first three parts are little-endian (MS-DTYP 2.3.4.2). */
export function guidText(guid: Buffer): string | undefined {
  if (guid.length !== 16) return undefined;
  const turned = Buffer.from(guid);
  turned.subarray(0, 4).swap32();
  turned.subarray(4, 8).swap16();
  const hex = turned.toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/** The DN form that addresses an object wherever it is (MS-ADTS 3.1.1.3.1.2.4). Throws on what is no GUID. */
export function guidDn(objectGuid: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(objectGuid)) {
    throw new TypeError('an objectGuid is a UUID in lower case');
  }
  return `<GUID=${objectGuid}>`;
}
