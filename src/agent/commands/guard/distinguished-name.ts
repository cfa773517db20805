/** One relative distinguished name per element, nearest to the root last. */
export type DistinguishedName = readonly RelativeName[];

/** Usually one attribute; `CN=a+OU=b` has two. */
export type RelativeName = readonly {
  /** In lower case. */
  readonly type: string;
  /** As RFC 4514 section 3 means it: without escapes. */
  readonly value: string;
}[];

/** How two values are held against each other. */
type Fold = (value: string) => string;

/** As a directory matches names at least: letter case and composition make no difference. */
const EXACT: Fold = (value) => value.normalize('NFC').toLowerCase();

/**
 * As Active Directory may match names at most (MS-ADTS 6.5: it also ignores accents, width and
 * kana): what it could take for the same name is the same here.
 */
const LOOSE: Fold = (value) =>
  value
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[\u30a1-\u30f6]/g, (kana) => String.fromCharCode(kana.charCodeAt(0) - 0x60))
    .replace(/\s+/g, ' ')
    .trim();

const TYPE = / *([a-z][a-z0-9-]*|\d+(?:\.\d+)*) *= */iy;
const ATOM = /((?:\\[0-9a-f]{2})+)|\\([ "#+,;<=>\\])|([^\\,+;"<>\0]+)/iy;

/**
 * The parts of a distinguished name in the text form of RFC 4514, spaces around separators
 * allowed; undefined when it is none. A value in hexadecimal BER (`#04…`) is not taken for one.
 */
export function parseDistinguishedName(text: string): DistinguishedName | undefined {
  const parts: RelativeName[] = [];
  let attributes: RelativeName[number][] = [];
  for (let at = 0; ; at++) {
    const attribute = readAttribute(text, at);
    if (attribute === undefined) return undefined;
    const { type, value, end } = attribute;
    attributes.push({ type, value });
    at = end;
    if (text.charAt(at) === '+') continue;
    parts.push(attributes);
    attributes = [];
    if (at === text.length) return parts;
    if (text.charAt(at) !== ',') return undefined;
  }
}

/**
 * Whether `dn` lies below `base` or is it, for what is allowed: only what is surely the same name
 * counts. False for whatever cannot be read.
 */
export function isBelow(dn: string, base: string): boolean {
  return endsWith(dn, base, EXACT) ?? false;
}

/**
 * Whether `dn` may lie below `base`, for what is denied: what a directory could take for the same
 * name counts, and so does whatever cannot be read.
 */
export function mayBeBelow(dn: string, base: string): boolean {
  return endsWith(dn, base, LOOSE) ?? true;
}

function endsWith(dn: string, base: string, fold: Fold): boolean | undefined {
  const inner = parseDistinguishedName(dn)?.map((part) => spelling(part, fold));
  const outer = parseDistinguishedName(base)?.map((part) => spelling(part, fold));
  if (inner === undefined || outer === undefined) return undefined;
  const offset = inner.length - outer.length;
  return offset >= 0 && outer.every((part, i) => part === inner[offset + i]);
}

/** One spelling for all that mean the same; the order of the attributes of one part means nothing. */
function spelling(part: RelativeName, fold: Fold): string {
  return JSON.stringify(part.map(({ type, value }) => [type, fold(value)].join('=')).sort());
}

interface ReadAttribute {
  readonly type: string;
  readonly value: string;
  readonly end: number;
}

function readAttribute(text: string, start: number): ReadAttribute | undefined {
  TYPE.lastIndex = start;
  const type = TYPE.exec(text)?.[1];
  if (type === undefined) return undefined;
  const read = readValue(text, TYPE.lastIndex);
  return read === undefined ? undefined : { type: type.toLowerCase(), ...read };
}

function readValue(text: string, start: number): { value: string; end: number } | undefined {
  if (text.charAt(start) === '#') return undefined;
  const atoms: string[] = [];
  ATOM.lastIndex = start;
  let end = start;
  for (let atom = ATOM.exec(text); atom !== null; atom = ATOM.exec(text)) {
    end = ATOM.lastIndex;
    const [, bytes, escaped, plain = ''] = atom;
    const isLast = end === text.length || text.charAt(end) === ',' || text.charAt(end) === '+';
    const value =
      bytes === undefined ? (escaped ?? (isLast ? trimmed(plain) : plain)) : utf8(bytes);
    if (value === undefined) return undefined;
    atoms.push(value);
  }
  const value = atoms.join('');
  return value === '' ? undefined : { value, end };
}

/** Only spaces that are not escaped are no part of the value. */
function trimmed(plain: string): string {
  return plain.replace(/ +$/, '');
}

/** `\C3\BC` are UTF-8 bytes; undefined when they are not, or two names could look like one. */
function utf8(escapes: string): string | undefined {
  try {
    const bytes = Buffer.from(escapes.replaceAll('\\', ''), 'hex');
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
