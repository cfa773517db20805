import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where and as what a planted secret was found. */
export interface SecretHit {
  /** The name that the secret was planted under; its text is repeated nowhere. */
  readonly secret: string;
  /** File path, or the name that a buffer was given. */
  readonly place: string;
  readonly encoding: string;
  readonly offset: number;
}

/** Something to search: a file, a folder with all below it, or bytes by a name. */
export type Haystack = string | { readonly name: string; readonly content: Uint8Array | string };

/**
 * Every place where one of the planted secrets stands in clear, in any encoding that an accident
 * would use. Settles when everything is read; rejects when something cannot be. Plant secrets of
 * eight characters or more: shorter ones are found by chance.
 */
export async function searchSecrets(
  secrets: Readonly<Record<string, string>>,
  haystacks: readonly Haystack[],
): Promise<SecretHit[]> {
  const needles = Object.entries(secrets).flatMap(([name, secret]) => needlesOf(name, secret));
  const hits: SecretHit[] = [];
  for (const haystack of haystacks) {
    if (typeof haystack !== 'string') {
      hits.push(...search(needles, haystack.name, Buffer.from(haystack.content)));
      continue;
    }
    for (const file of await filesBelow(haystack)) {
      hits.push(...search(needles, file, await readFile(file)));
    }
  }
  return hits;
}

interface Needle {
  readonly secret: string;
  readonly encoding: string;
  readonly bytes: Buffer;
}

/** Spellings of one text; each is looked for in UTF-8 and in UTF-16, as Windows writes files. */
function spellings(secret: string): Readonly<Record<string, string>> {
  const bytes = Buffer.from(secret, 'utf8');
  const wide = Buffer.from(secret, 'utf16le');
  return {
    plain: secret,
    json: JSON.stringify(secret).slice(1, -1),
    'json, ASCII only': asciiJson(secret),
    'json in json': JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
    url: encodeURIComponent(secret),
    'url, small letters': smallEscapes(encodeURIComponent(secret)),
    'url, strict': strictUrl(bytes),
    'url, strict, small letters': smallEscapes(strictUrl(bytes)),
    form: new URLSearchParams({ x: secret }).toString().slice(2),
    html: secret.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`),
    hex: bytes.toString('hex'),
    'hex, capitals': bytes.toString('hex').toUpperCase(),
    'hex of UTF-16': wide.toString('hex'),
    'hex of UTF-16, capitals': wide.toString('hex').toUpperCase(),
    ...base64Spellings('base64', bytes),
    // The payload of a JWS, say.
    ...base64Spellings('base64 of json', Buffer.from(JSON.stringify(secret).slice(1, -1))),
    ...base64Spellings('base64 of UTF-16', wide),
    // Active Directory takes the password in quotes (MS-ADTS 3.1.1.3.1.5): other alignment.
    ...base64Spellings('base64 of "UTF-16"', Buffer.from(`"${secret}"`, 'utf16le')),
    decimals: [...bytes].join(','),
    'decimals of UTF-16': [...wide].join(','),
  };
}

function needlesOf(name: string, secret: string): Needle[] {
  if (secret.length < 8) throw new RangeError('plant secrets of eight characters or more');
  const seen = new Set<string>();
  const needles: Needle[] = [];
  for (const [encoding, text] of Object.entries(spellings(secret))) {
    if (seen.has(text)) continue;
    seen.add(text);
    const add = (charset: string, bytes: Buffer): void => {
      needles.push({ secret: name, encoding: `${encoding}${charset}`, bytes });
    };
    add('', Buffer.from(text, 'utf8'));
    add(' in UTF-16LE', Buffer.from(text, 'utf16le'));
    add(' in UTF-16BE', Buffer.from(text, 'utf16le').swap16());
  }
  return needles;
}

/**
 * The characters of base64 that depend on these bytes alone, for each of the three places in a
 * group of three where they may begin; in both alphabets.
 */
function base64Spellings(name: string, bytes: Buffer): Record<string, string> {
  const found: Record<string, string> = {};
  for (const shift of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]);
    // Of `shift` leading zero bytes the first ceil(8/6 * shift) characters hold some bits.
    const first = Math.ceil((shift * 8) / 6);
    const whole = Math.floor((shifted.length * 8) / 6);
    found[`${name}, shift ${shift}`] = shifted.toString('base64').slice(first, whole);
    found[`${name}url, shift ${shift}`] = shifted.toString('base64url').slice(first, whole);
  }
  return found;
}

function asciiJson(secret: string): string {
  return JSON.stringify(secret)
    .slice(1, -1)
    .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function strictUrl(bytes: Buffer): string {
  return [...bytes]
    .map((byte) =>
      /[\w.~-]/.test(String.fromCharCode(byte)) && byte < 128
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}

function smallEscapes(url: string): string {
  return url.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}

function search(needles: readonly Needle[], place: string, content: Buffer): SecretHit[] {
  return needles.flatMap(({ secret, encoding, bytes }) => {
    const offset = content.indexOf(bytes);
    return offset < 0 ? [] : [{ secret, place, encoding, offset }];
  });
}

async function filesBelow(path: string): Promise<string[]> {
  let entries;
  try {
    entries = await readdir(path, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return [path];
    throw error;
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
