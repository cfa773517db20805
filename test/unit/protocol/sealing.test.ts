import { base64url, exportJWK, generateKeyPair } from 'jose';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { SecretBinding } from '../../../src/protocol/canonical.ts';
import type { PublicKey } from '../../../src/protocol/keys.ts';
import { DispatchedSecret, SealedSecret, secretFor } from '../../../src/protocol/sealed.ts';
import {
  isEncodable,
  open,
  seal,
  type SealingErrorCode,
  SealingError,
} from '../../../src/protocol/sealing.ts';
import {
  BINDING,
  dispatched,
  flipped,
  padded,
  sealBytes,
  sealingPair,
  type SealingPair,
} from '../../support/sealing-samples.ts';
import { SEEDED } from '../../support/seeded.ts';

let agents: readonly SealingPair[];
let agent: SealingPair;
let other: SealingPair;

beforeAll(async () => {
  agents = await Promise.all(Array.from({ length: 17 }, sealingPair));
  [agent, other] = agents as [SealingPair, SealingPair];
});

const keys = (count: number): PublicKey[] => agents.slice(0, count).map((pair) => pair.publicKey);

const code = (work: Promise<unknown>): Promise<SealingErrorCode | 'none'> =>
  work.then(
    () => 'none',
    (error: unknown) => {
      if (error instanceof SealingError) return error.code;
      throw error;
    },
  );

test.each([1, 2, 16])('a password sealed to %i agents opens for each of them', async (count) => {
  const sealed = await seal({ password: 'Correct-Horse-7' }, keys(count), BINDING);
  expect(SealedSecret.safeParse(sealed).success).toBe(true);
  expect(sealed.recipients.map(({ header }) => header.kid)).toEqual(keys(count).map((k) => k.kid));
  for (const { publicKey, privateKey } of agents.slice(0, count)) {
    const secret = dispatched(sealed, publicKey);
    expect(DispatchedSecret.safeParse(secret).success).toBe(true);
    expect(await open(secret, privateKey, BINDING)).toEqual({ password: 'Correct-Horse-7' });
  }
});

test('a change carries the old password too', async () => {
  const content = { password: 'new', oldPassword: 'old' };
  const sealed = await seal(content, keys(1), BINDING);
  expect(await open(dispatched(sealed, agent.publicKey), agent.privateKey, BINDING)).toEqual(
    content,
  );
});

test('with one recipient the ephemeral key is integrity-protected, with more it stands with each', async () => {
  const header = (sealed: SealedSecret): unknown =>
    JSON.parse(new TextDecoder().decode(base64url.decode(sealed.protected)));
  const one = await seal({ password: 'x' }, keys(1), BINDING);
  expect(header(one)).toHaveProperty('epk');
  expect(one.recipients[0]?.header).not.toHaveProperty('epk');
  const two = await seal({ password: 'x' }, keys(2), BINDING);
  expect(header(two)).toEqual({ enc: 'A256GCM' });
  expect(two.recipients.every((recipient) => recipient.header.epk !== undefined)).toBe(true);
});

const AWKWARD = {
  'a byte-order mark': '\ufeffpassword',
  'composed accents': 'caf\u00e9',
  'decomposed accents': 'cafe\u0301',
  emoji: '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{1f600}',
  'every ASCII control character but NUL': Array.from({ length: 31 }, (_, i) =>
    String.fromCharCode(i + 1),
  ).join(''),
  'quotes, backslashes and braces': '"\\"}],{\'\u2028\u2029',
  'blanks at both ends': '  \t x \u00a0 ',
  'the longest there is': '\u20ac'.repeat(256),
  'members of an object': '__proto__',
  nothing: '',
};

test.each(Object.entries(AWKWARD))('%s arrive unchanged', async (_, password) => {
  const sealed = await seal({ password, oldPassword: password }, keys(2), BINDING);
  const content = await open(dispatched(sealed, other.publicKey), other.privateKey, BINDING);
  expect(content).toEqual({ password, oldPassword: password });
});

// fast-check's own "binary" unit takes most of a second to build.
const character = fc
  .oneof(fc.integer({ min: 1, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point));

test('any well-formed text without NUL arrives unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: character, maxLength: 128 }), async (password) => {
      const sealed = await seal({ password }, keys(1), BINDING);
      const content = await open(dispatched(sealed, agent.publicKey), agent.privateKey, BINDING);
      return content.password === password;
    }),
    { ...SEEDED, numRuns: 20 },
  );
});

test.each([
  ['a NUL', 'pass\0word'],
  ['a lone high surrogate', 'pass\ud800'],
  ['a lone low surrogate', '\udc00word'],
  ['surrogates in the wrong order', '\udc00\ud800'],
  ['more than 256 UTF-16 units', 'x'.repeat(257)],
  ['more than 256 UTF-16 units of emoji', '\u{1f600}'.repeat(129)],
])('a password with %s is not sealed, new or old', async (_, password) => {
  expect(isEncodable(password)).toBe(false);
  expect(await code(seal({ password }, keys(1), BINDING))).toBe('PASSWORD_NOT_ENCODABLE');
  expect(await code(seal({ password: 'x', oldPassword: password }, keys(1), BINDING))).toBe(
    'PASSWORD_NOT_ENCODABLE',
  );
});

test('there are 1 to 16 recipients', async () => {
  expect(await code(seal({ password: 'x' }, [], BINDING))).toBe('NO_RECIPIENT');
  expect(await code(seal({ password: 'x' }, keys(17), BINDING))).toBe('NO_RECIPIENT');
});

test('only a P-256 sealing key under its own name is sealed to, and only once', async () => {
  const p384 = await exportJWK((await generateKeyPair('ES384', { extractable: true })).publicKey);
  const rsa = { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: agent.publicKey.kid, use: 'enc' };
  const key = agent.publicKey;
  const bad: Readonly<Record<string, object>> = {
    'another curve': { ...key, ...p384 },
    'another curve called P-256': { ...key, ...p384, crv: 'P-256' },
    'another type': rsa,
    'the name of another key': { ...key, kid: agents[2]?.publicKey.kid },
    'coordinates off the curve': { ...key, x: key.y, y: key.x },
    'the point at infinity, nearly': { ...key, x: 'A'.repeat(43), y: 'A'.repeat(43) },
    'a signing key': { ...key, alg: 'ES256', use: 'sig' },
    'a private key': { ...key, d: key.x },
    'a key for two uses': { ...key, use: 'sig' },
  };
  for (const [what, jwk] of Object.entries(bad)) {
    const recipients = [other.publicKey, jwk as PublicKey];
    expect([what, await code(seal({ password: 'x' }, recipients, BINDING))]).toEqual([
      what,
      'BAD_RECIPIENT',
    ]);
  }
  expect(await code(seal({ password: 'x' }, [key, key], BINDING))).toBe('BAD_RECIPIENT');
});

const MOVED: Readonly<Record<string, SecretBinding>> = {
  'another directory': { ...BINDING, directory: 'other' },
  'another operation id': { ...BINDING, cmd: '5b0e1c5e-6c7a-4d2b-9a53-0f5a8d1c2e02' },
  'a change': { ...BINDING, op: 'change' },
  'another account': {
    ...BINDING,
    account: { objectGuid: '0c7f5a52-94c1-4f6e-8a5e-b2a1d35c9e11' },
  },
  'no unlock': { ...BINDING, options: { unlock: false, mustChange: false } },
  'must change': { ...BINDING, options: { unlock: true, mustChange: true } },
  'another pwdLastSet': { ...BINDING, baseline: { ...BINDING.baseline, pwdLastSet: '0' } },
  'another lockoutTime': { ...BINDING, baseline: { ...BINDING.baseline, lockoutTime: '1' } },
  'another controller': { ...BINDING, baseline: { ...BINDING.baseline, controller: 'dc2' } },
  'no metadata': {
    ...BINDING,
    baseline: {
      pwdLastSet: BINDING.baseline.pwdLastSet,
      lockoutTime: BINDING.baseline.lockoutTime,
      controller: BINDING.baseline.controller,
      controllerTime: BINDING.baseline.controllerTime,
    },
  },
  'a later end': { ...BINDING, notAfter: '2026-08-01T10:05:00.001Z' },
};

test.each(Object.entries(MOVED))(
  'what was sealed for one thing does not open for %s',
  async (_, b) => {
    const sealed = await seal({ password: 'x' }, keys(2), BINDING);
    expect(await code(open(dispatched(sealed, agent.publicKey), agent.privateKey, b))).toBe(
      'NOT_OPENABLE',
    );
  },
);

test('no member can be turned over, cut, or taken from another secret', async () => {
  const [one, two] = await Promise.all([
    seal({ password: 'x' }, keys(2), BINDING),
    seal({ password: 'y' }, keys(2), BINDING),
  ]);
  const [mine, theirs] = [dispatched(one, agent.publicKey), dispatched(two, agent.publicKey)];
  const altered: DispatchedSecret[] = [
    { ...mine, header: theirs.header },
    { ...mine, header: { alg: mine.header.alg, kid: mine.header.kid } },
    { ...mine, protected: base64url.encode('{ "enc":"A256GCM"}') },
  ];
  for (const member of ['ciphertext', 'tag', 'iv', 'encrypted_key'] as const) {
    altered.push({ ...mine, [member]: theirs[member] });
    altered.push({ ...mine, [member]: flipped(mine[member]) });
    altered.push({ ...mine, [member]: mine[member].slice(0, -4) });
    altered.push({ ...mine, [member]: '' }, { ...mine, [member]: '*' });
  }
  for (const secret of altered) {
    expect(await code(open(secret, agent.privateKey, BINDING))).toBe('NOT_OPENABLE');
  }
});

test('it opens with no key but the one it was sealed to', async () => {
  const sealed = await seal({ password: 'x' }, keys(2), BINDING);
  const mine = dispatched(sealed, agent.publicKey);
  expect(await code(open(mine, other.privateKey, BINDING))).toBe('NOT_OPENABLE');
  expect(secretFor(sealed, agents[2]?.publicKey.kid ?? '')).toBeUndefined();
});

test('no protected header of a hostile sealer does more than not open', async () => {
  const secret = dispatched(await seal({ password: 'x' }, keys(1), BINDING), agent.publicKey);
  const good = JSON.parse(new TextDecoder().decode(base64url.decode(secret.protected))) as {
    readonly epk: object;
  };
  const epk = [
    null,
    1,
    [],
    {},
    { kty: 'EC' }, // jose lets a TypeError of WebCrypto through here
    { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA' },
    { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) },
    { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) },
    { kty: 'oct', k: 'AA' },
    { ...good.epk, key_ops: ['sign'] },
    { ...good.epk, d: 'AA' },
  ].map((value): object => ({ ...good, epk: value }));
  const headers: unknown[] = [
    ...epk,
    { ...good, crit: ['exp'] },
    { ...good, zip: 'DEF' },
    { ...good, enc: 'A128GCM' },
    { ...good, alg: 'dir' },
    { ...good, apu: 'AA', apv: 'AA' },
    null,
    'text',
    [],
  ];
  for (const header of headers) {
    const altered = { ...secret, protected: base64url.encode(JSON.stringify(header)) };
    expect(await code(open(altered, agent.privateKey, BINDING))).toBe('NOT_OPENABLE');
  }
});

test('a sealer that compresses is refused: compression would undo the padding', async () => {
  const secret = await sealBytes(padded('{"password":"x"}'), agent, { zip: 'DEF' });
  expect(await code(open(secret, agent.privateKey, BINDING))).toBe('NOT_OPENABLE');
});

test('all passwords of one block give ciphertexts of one length, all longer ones of the next', async () => {
  const length = async (password: string): Promise<number> =>
    base64url.decode((await seal({ password }, keys(1), BINDING)).ciphertext).length;
  const overhead = 2 + '{"password":""}'.length;
  const short = await Promise.all(
    [0, 1, 8, 64, 256 - overhead].map((units) => length('x'.repeat(units))),
  );
  expect(new Set(short)).toEqual(new Set([256]));
  expect(await length('x'.repeat(256 - overhead + 1))).toBe(512);
});

const ill = new Uint8Array([...new TextEncoder().encode('{"password":"'), 0xff, 0x22, 0x7d]);

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  'no block at all': new Uint8Array(0),
  'less than a block': padded('{"password":"x"}').subarray(0, 255),
  'a block and a byte': new Uint8Array([...padded('{"password":"x"}'), 0]),
  'padding that is not zero': padded('{"password":"x"}', { fill: 1 }),
  'a length beyond the end': padded('{"password":"x"}', { length: 255 }),
  'a length that cuts the text': padded('{"password":"x"}', { length: 10 }),
  'no text': padded(''),
  'bytes that are not UTF-8': padded(ill),
  'a byte-order mark before the JSON': padded('\ufeff{"password":"x"}'),
  'no JSON': padded('password'),
  'JSON that is no object': padded('"password"'),
  'JSON null': padded('null'),
  'an array': padded('["password"]'),
  'no password': padded('{"oldPassword":"x"}'),
  'a password that is no text': padded('{"password":1}'),
  'an old password that is no text': padded('{"password":"x","oldPassword":null}'),
  'a member too many': padded('{"password":"x","account":"y"}'),
  'a prototype': padded('{"password":"x","__proto__":{"oldPassword":"y"}}'),
};

test.each(Object.entries(MALFORMED))('a plaintext with %s does not open', async (_, plaintext) => {
  const secret = await sealBytes(plaintext, agent);
  expect(await code(open(secret, agent.privateKey, BINDING))).toBe('NOT_OPENABLE');
});

test('more blocks than needed open as well', async () => {
  const secret = await sealBytes(padded('{"password":"x"}', { blocks: 3 }), agent);
  expect(await open(secret, agent.privateKey, BINDING)).toEqual({ password: 'x' });
});

test('no error quotes a password', async () => {
  const password = 'planted\0password';
  const secret = await sealBytes(padded('{"password":"planted'), agent);
  const errors = await Promise.allSettled([
    seal({ password }, keys(1), BINDING),
    open(secret, agent.privateKey, BINDING),
  ]);
  for (const result of errors) {
    if (result.status === 'fulfilled') throw new Error('did not reject');
    const { message, stack, cause } = result.reason as Error;
    expect(`${message} ${stack ?? ''} ${String(cause)}`).not.toContain('planted');
  }
});
