import { isAbsolute } from 'node:path';
import { Op } from '../../protocol/command.ts';
import { Sha256 } from '../../protocol/shapes.ts';
import { parseDistinguishedName } from '../commands/guard/distinguished-name.ts';
import { controllerFromText, controllerProblem, HOST_NAME } from './controllers.ts';
import { PROXY_URL_EXPECTED, proxyUrlProblem } from '../../support/http-proxy.ts';
import { bareKeyDigest, KEY_DIGEST_COMMAND } from '../../support/key-digest.ts';
import { noProxyProblem } from '../../support/no-proxy.ts';
import { shown } from '../../support/shown.ts';

/** One kind of value: how to read it from text, and what is wrong with it. */
export interface Format {
  /** Completes "expected …". */
  readonly expected: string;
  /** What the environment (or a quoted value in the file) means; unreadable text stays as it is. */
  readonly parse?: (text: string) => unknown;
  /** What is wrong with a value, or undefined. */
  readonly problem: (value: unknown) => string | undefined;
}

/** One DNS label: it stands in the name that is asked for. */
const SITE = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i;

/** In the one spelling that the agent reads from the directory (MS-DTYP 2.4.2.1), since texts are compared. */
const SID = /^S-1-(0|[1-9]\d{0,14})(-(0|[1-9]\d{0,9})){1,15}$/;
const MAX_SUB_AUTHORITY = 0xffff_ffff;

/** Attribute types as directories write them: an object identifier would never match one. */
const NAMING_ATTRIBUTES = ['cn', 'ou', 'dc', 'o', 'l', 'st', 'c'];

const URL_EXPECTED = 'an address such as https://reset.example.com';

export const FORMATS = {
  text: one('a text', (text) => text.trim() !== ''),
  domain: one('the DNS name of the domain, such as corp.example.com', (text) =>
    HOST_NAME.test(text),
  ),
  site: one('the name of an Active Directory site, such as Default-First-Site-Name', (text) =>
    SITE.test(text),
  ),
  path: one('an absolute path', (text) => isAbsolute(text) && !text.includes('\0')),
  level: one('one of error, warn, info, debug', (text) =>
    ['error', 'warn', 'info', 'debug'].includes(text),
  ),
  policyHints: one('one of require, prefer, off', (text) =>
    ['require', 'prefer', 'off'].includes(text),
  ),
  url: {
    expected: URL_EXPECTED,
    problem: urlProblem,
  },
  urls: list('a list of addresses such as https://reset.example.com', urlProblem),
  proxyUrl: {
    expected: PROXY_URL_EXPECTED,
    problem: (value) =>
      typeof value === 'string'
        ? proxyUrlProblem(value)
        : `expected ${PROXY_URL_EXPECTED}, found ${shown(value)}`,
  },
  hosts: {
    ...list('a list of hosts', hostProblem),
    parse: (text: string) => splitList(text.replaceAll(',', ';')),
  },
  flag: {
    expected: 'true or false',
    parse: (text) => ({ true: true, false: false })[text.trim().toLowerCase()] ?? text,
    problem: (value) =>
      typeof value === 'boolean' ? undefined : `expected true or false, found ${shown(value)}`,
  },
  portOrNone: whole('a port, or 0 for none,', 0, 65_535),
  loopback: one('a loopback address, 127.0.0.1 or ::1', (text) =>
    ['127.0.0.1', '::1'].includes(text),
  ),
  milliseconds: whole('milliseconds', 0, 600_000),
  count: whole('a number', 1, 64),
  perHour: whole('a number', 1, 1_000_000),
  minutes: whole('minutes', 1, 1_440),
  operations: list('a list of reset, change, unlock', (item) =>
    Op.safeParse(item).success ? undefined : `${shown(item)} is no operation`,
  ),
  names: list(
    'a list of distinguished names, such as OU=People,DC=corp,DC=example,DC=com',
    (item) => (isDistinguishedName(item) ? undefined : `${shown(item)} is no distinguished name`),
  ),
  sids: list('a list of security identifiers (S-1-5-21-…)', (item) =>
    isSid(item) ? undefined : `${shown(item)} is no SID`,
  ),
  fingerprints: list('a list of agent fingerprints (43 characters each)', (item) =>
    Sha256.safeParse(item).success ? undefined : `${shown(item)} is no fingerprint`,
  ),
  keyDigests: list(
    `a list of SHA-256 digests of public keys in base64, as \`${KEY_DIGEST_COMMAND}\` prints them`,
    (item) => (bareKeyDigest(item) === undefined ? `${shown(item)} is no such digest` : undefined),
  ),
  controllers: {
    ...list('a list of domain controllers, each { name, address?, port? }', controllerProblem),
    parse: (text: string) => splitList(text).map(controllerFromText),
  },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;

function one(expected: string, isGood: (text: string) => boolean): Format {
  return {
    expected,
    problem: (value) =>
      typeof value === 'string' && isGood(value)
        ? undefined
        : `expected ${expected}, found ${shown(value)}`,
  };
}

function whole(what: string, min: number, max: number): Format {
  const expected = `${what} from ${min} to ${max}`;
  return {
    expected,
    parse: (text) => (/^\s*\d{1,9}\s*$/.test(text) ? Number(text) : text),
    problem: (value) =>
      Number.isInteger(value) && Number(value) >= min && Number(value) <= max
        ? undefined
        : `expected ${expected}, found ${shown(value)}`,
  };
}

function list(expected: string, itemProblem: (item: unknown) => string | undefined): Format {
  return {
    expected,
    parse: splitList,
    problem: (value) => {
      if (!Array.isArray(value)) return `expected ${expected}, found ${shown(value)}`;
      const problems = (value as unknown[])
        .map(itemProblem)
        .filter((problem) => problem !== undefined);
      return problems.length === 0 ? undefined : `expected ${expected}: ${problems.join('; ')}`;
    },
  };
}

/** Distinguished names hold commas, so a list in one text is parted by semicolons. */
function splitList(text: string): string[] {
  return text
    .split(';')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function urlProblem(value: unknown): string | undefined {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined) return `expected ${URL_EXPECTED}, found ${shown(value)}`;
  if (url.protocol !== 'https:' && url.protocol !== 'wss:') {
    return `expected ${URL_EXPECTED}; ${url.protocol}// is not encrypted, or not what the agent speaks`;
  }
  if (url.username !== '' || url.password !== '') return 'expected no user name and no password';
  return url.search === '' && url.hash === '' ? undefined : 'expected no query and no fragment';
}

function hostProblem(value: unknown): string | undefined {
  const problem = typeof value === 'string' ? noProxyProblem(value) : 'is no text';
  return problem === undefined ? undefined : `${shown(value)} ${problem}`;
}

function isDistinguishedName(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const parts = parseDistinguishedName(value)?.flat();
  return parts?.every(({ type }) => NAMING_ATTRIBUTES.includes(type)) ?? false;
}

function isSid(value: unknown): boolean {
  if (typeof value !== 'string' || !SID.test(value)) return false;
  return value
    .split('-')
    .slice(3)
    .every((part) => Number(part) <= MAX_SUB_AUTHORITY);
}
