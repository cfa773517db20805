import { guidText } from './guid.ts';
import { sidText } from './sid.ts';

/** A right that a schema object names and no attribute is (MS-ADTS 5.1.3.2.1), by its GUID. */
export const CONTROL_RIGHTS = {
  /** User-Force-Change-Password: *Reset Password* where people see it. */
  resetPassword: '00299570-246d-11d0-a768-00aa006e0529',
  /** Unexpire-Password, on the head of the domain. */
  unexpirePassword: 'ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501',
} as const;

/** One entry of a discretionary access list, as far as it decides about rights. */
export interface AccessEntry {
  readonly allows: boolean;
  /** Only under a condition (MS-DTYP 2.4.4.17), which nobody here evaluates. */
  readonly conditional: boolean;
  readonly mask: number;
  /** The one right or attribute that it is about; absent: all of them. */
  readonly objectType?: string;
  /** It is there for what is below the object and decides nothing about the object itself. */
  readonly inheritOnly: boolean;
  /** It is handed down to what is below the object (CONTAINER_INHERIT_ACE). */
  readonly inheritable: boolean;
  readonly sid: string;
}

/** ADS_RIGHT_DS_CONTROL_ACCESS, and GENERIC_ALL, which is stored mapped but may come unmapped. */
const CONTROL_ACCESS = 0x100;
const GENERIC_ALL = 0x1000_0000;

const DACL_PRESENT = 0x4;
const SELF_RELATIVE = 0x8000;
const DACL_PROTECTED = 0x1000;
const CONTAINER_INHERIT = 0x02;
const INHERIT_ONLY = 0x08;
const OBJECT_TYPE_PRESENT = 0x1;
const INHERITED_OBJECT_TYPE_PRESENT = 0x2;

/** AceType (MS-DTYP 2.4.4.1): those of a discretionary list. */
const TYPES: ReadonlyMap<
  number,
  Pick<AccessEntry, 'allows' | 'conditional'> & { object: boolean }
> = new Map([
  [0x00, { allows: true, conditional: false, object: false }],
  [0x01, { allows: false, conditional: false, object: false }],
  [0x05, { allows: true, conditional: false, object: true }],
  [0x06, { allows: false, conditional: false, object: true }],
  [0x09, { allows: true, conditional: true, object: false }],
  [0x0a, { allows: false, conditional: true, object: false }],
  [0x0b, { allows: true, conditional: true, object: true }],
  [0x0c, { allows: false, conditional: true, object: true }],
]);

/**
 * The discretionary access list of a self-relative security descriptor (MS-DTYP 2.4.6), in its
 * order; undefined when the bytes are none, or hold no such list: then nothing may be concluded.
 */
export function accessList(descriptor: Buffer): readonly AccessEntry[] | undefined {
  try {
    return readList(descriptor);
  } catch (error) {
    // It ends before what it announces: Node's own words for reading past the end.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Whether inheritance is switched off at the object: it takes over nothing from above (SE_DACL_PROTECTED). */
export function isProtectedFromAbove(descriptor: Buffer): boolean {
  return descriptor.length >= 4 && (descriptor.readUInt16LE(2) & DACL_PROTECTED) !== 0;
}

function readList(descriptor: Buffer): readonly AccessEntry[] | undefined {
  const control = descriptor.readUInt16LE(2);
  const offset = descriptor.readUInt32LE(16);
  const present = DACL_PRESENT | SELF_RELATIVE;
  if (descriptor[0] !== 1 || (control & present) !== present || offset === 0) return undefined;
  const list = slice(descriptor, offset, descriptor.readUInt16LE(offset + 2));
  const count = list.readUInt16LE(4);
  const entries: AccessEntry[] = [];
  let at = 8;
  for (let i = 0; i < count; i++) {
    const entry = slice(list, at, list.readUInt16LE(at + 2));
    const read = readEntry(entry);
    if (read === undefined) return undefined;
    if (read !== 'other') entries.push(read);
    at += entry.length;
  }
  return entries;
}

/** Undefined when it is torn, `other` when its type decides nothing about a right. */
function readEntry(entry: Buffer): AccessEntry | 'other' | undefined {
  const type = TYPES.get(entry.readUInt8(0));
  if (type === undefined) return 'other';
  const { allows, conditional, object } = type;
  const mask = entry.readUInt32LE(4);
  const parts = object ? readObject(entry) : { rest: entry.subarray(8) };
  const sid = leadingSid(parts.rest);
  if (sid === undefined) return undefined;
  const flags = entry.readUInt8(1);
  const inheritOnly = (flags & INHERIT_ONLY) !== 0;
  const inheritable = (flags & CONTAINER_INHERIT) !== 0;
  const { objectType } = parts;
  return {
    ...{ allows, conditional, mask, inheritOnly, inheritable, sid },
    ...(objectType !== undefined && { objectType }),
  };
}

function readObject(entry: Buffer): { readonly rest: Buffer; readonly objectType?: string } {
  const present = entry.readUInt32LE(8);
  let at = 12;
  let objectType: string | undefined;
  if ((present & OBJECT_TYPE_PRESENT) !== 0) {
    objectType = guidText(slice(entry, at, 16));
    at += 16;
  }
  // Whom it is inherited by: where it applies at all, that has been decided (MS-ADTS 5.1.3.3).
  if ((present & INHERITED_OBJECT_TYPE_PRESENT) !== 0) at += 16;
  return { rest: entry.subarray(at), ...(objectType !== undefined && { objectType }) };
}

/** A conditional entry goes on behind its SID. */
function leadingSid(bytes: Buffer): string | undefined {
  return sidText(slice(bytes, 0, 8 + 4 * bytes.readUInt8(1)));
}

function slice(bytes: Buffer, at: number, length: number): Buffer {
  if (length === 0 || at + length > bytes.length) throw new RangeError('torn');
  return bytes.subarray(at, at + length);
}

/**
 * Whether somebody with these SIDs has a control access right on the object that the list belongs
 * to: the first entry about it decides (MS-ADTS 5.1.3.3.4), so an explicit permission counts before
 * an inherited refusal. What is conditional never grants and always refuses.
 */
export function hasControlRight(
  entries: readonly AccessEntry[],
  right: string,
  sids: ReadonlySet<string>,
): boolean {
  const deciding = entries.find(
    ({ mask, objectType, inheritOnly, sid, allows, conditional }) =>
      !inheritOnly &&
      (mask & (CONTROL_ACCESS | GENERIC_ALL)) !== 0 &&
      (objectType === undefined || objectType === right) &&
      sids.has(sid) &&
      !(allows && conditional),
  );
  return deciding?.allows === true;
}

/** Whether an entry gives one of these SIDs this control right, on the object or on what is below it. */
export function givesControlRight(
  { allows, conditional, mask, objectType, sid }: AccessEntry,
  right: string,
  sids: ReadonlySet<string>,
): boolean {
  return (
    allows &&
    !conditional &&
    (mask & (CONTROL_ACCESS | GENERIC_ALL)) !== 0 &&
    (objectType === undefined || objectType === right) &&
    sids.has(sid)
  );
}
