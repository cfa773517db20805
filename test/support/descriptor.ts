import { guid } from './ldap-domain.ts';

/** One entry as an admin would say it; the wire form is `descriptor`'s business. */
export interface Ace {
  readonly type: number;
  readonly sid: Buffer;
  /** Default is the control access right. */
  readonly mask?: number;
  readonly flags?: number;
  readonly objectType?: string;
  readonly inheritedObjectType?: string;
  /** Behind the SID, as a condition is. */
  readonly tail?: Buffer;
}

export const ALLOW = 0x00;
export const DENY = 0x01;
export const ALLOW_OBJECT = 0x05;
export const DENY_OBJECT = 0x06;
export const CONTROL_ACCESS = 0x100;
export const INHERIT_ONLY = 0x0a;

/** A self-relative security descriptor (MS-DTYP 2.4.6) with nothing but this discretionary list. */
export function descriptor(aces: readonly Ace[], control = 0x8004): Buffer {
  const entries = Buffer.concat(aces.map(wire));
  const list = Buffer.alloc(8);
  list.writeUInt8(4, 0);
  list.writeUInt16LE(8 + entries.length, 2);
  list.writeUInt16LE(aces.length, 4);
  const head = Buffer.alloc(20);
  head.writeUInt8(1, 0);
  head.writeUInt16LE(control, 2);
  head.writeUInt32LE(20, 16);
  return Buffer.concat([head, list, entries]);
}

function wire(ace: Ace): Buffer {
  const { type, sid, mask = CONTROL_ACCESS, flags = 0, tail = Buffer.alloc(0) } = ace;
  const { objectType, inheritedObjectType } = ace;
  const present = (objectType === undefined ? 0 : 1) + (inheritedObjectType === undefined ? 0 : 2);
  const types = [objectType, inheritedObjectType].flatMap((one) =>
    one === undefined ? [] : [guid(one)],
  );
  const isObject = [0x05, 0x06, 0x0b, 0x0c].includes(type);
  const head = Buffer.alloc(isObject ? 12 : 8);
  const body = Buffer.concat([head, ...(isObject ? types : []), sid, tail]);
  body.writeUInt8(type, 0);
  body.writeUInt8(flags, 1);
  body.writeUInt16LE(body.length, 2);
  body.writeUInt32LE(mask, 4);
  if (isObject) body.writeUInt32LE(present, 8);
  return body;
}
