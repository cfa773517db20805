import { base64url, createLocalJWKSet, exportSPKI, SignJWT } from 'jose';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  CLOCK_TOLERANCE_S,
  CommandClaims,
  InspectClaims,
  TOKEN_LIFETIME_S,
} from '../../../src/protocol/command.ts';
import { ShortText } from '../../../src/protocol/shapes.ts';
import {
  signToken,
  TOKENS,
  TokenError,
  typOf,
  verifyToken,
  type Claims,
  type Expectation,
  type SigningKey,
  type TokenName,
} from '../../../src/protocol/tokens.ts';
import { valid } from '../../support/arbitraries.ts';
import { SEEDED } from '../../support/seeded.ts';
import { signingPair } from '../../support/token-samples.ts';

const NOW_S = 1_785_578_400;
const NOW = NOW_S * 1000;

const service = await signingPair();
const stranger = await signingPair();
const secret = new Uint8Array(32).fill(7);
const mac: SigningKey = { key: secret, kid: 'token' };

const NAMES = Object.keys(TOKENS) as TokenName[];
const AGED = NAMES.filter((name) => 'maxAgeS' in TOKENS[name]);

const signerOf = (name: TokenName): SigningKey =>
  TOKENS[name].alg === 'HS256' ? mac : service.sign;

const keyOf = (name: TokenName): Expectation['key'] =>
  TOKENS[name].alg === 'HS256' ? secret : service.verify;

/** Claims of a kind, issued at NOW; the same ones each time. */
function sample<T extends TokenName>(name: T): Claims<T> {
  const [claims] = fc.sample(valid(TOKENS[name].schema), { seed: SEEDED.seed, numRuns: 1 });
  return timed(claims as Claims<T>);
}

function timed<T extends object>(claims: T, iat = NOW_S): T {
  return { ...claims, iat, ...('exp' in claims && { exp: iat + TOKEN_LIFETIME_S }) };
}

async function refusal(
  name: TokenName,
  token: string,
  expected: Partial<Expectation> = {},
): Promise<string> {
  try {
    await verifyToken(name, token, { key: keyOf(name), now: NOW, ...expected });
    return 'accepted';
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}

const forged = (name: TokenName, claims: object, header: object = {}): Promise<string> =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: TOKENS[name].alg, typ: typOf(name), ...header })
    .sign(signerOf(name).key);

test.each(NAMES)('a %s token says to its reader what its writer said', async (name) => {
  await fc.assert(
    fc.asyncProperty(valid(TOKENS[name].schema), async (value) => {
      const claims = timed(value as Claims<typeof name>);
      const token = await signToken(name, claims, signerOf(name));
      expect(await verifyToken(name, token, { key: keyOf(name), now: NOW })).toEqual(claims);
    }),
    { ...SEEDED, numRuns: 3 },
  );
});

test.each(NAMES)(
  'a %s token passes for no other kind, though the key is the same',
  async (name) => {
    const token = await signToken(name, sample(name), signerOf(name));
    for (const other of NAMES.filter((n) => n !== name && TOKENS[n].alg === TOKENS[name].alg)) {
      expect([other, await refusal(other, token)]).toEqual([other, 'MALFORMED']);
    }
    const { typ, ...untyped } = { typ: typOf(name), ...sample(name) };
    for (const wrong of ['JWT', '', `${typ}x`, undefined]) {
      expect(await refusal(name, await forged(name, untyped, { typ: wrong }))).toBe('MALFORMED');
    }
  },
);

test.each(NAMES)('a %s token without signature, or of another signer, is refused', async (name) => {
  const token = await signToken(name, sample(name), signerOf(name));
  const [, payload = '', signature = ''] = token.split('.');
  const none = base64url.encode(JSON.stringify({ alg: 'none', typ: typOf(name) }));
  expect(await refusal(name, `${none}.${payload}.`)).toBe('BAD_SIGNATURE');
  expect(await refusal(name, `${none}.${payload}.${signature}`)).toBe('BAD_SIGNATURE');
  const other = TOKENS[name].alg === 'HS256' ? new Uint8Array(32) : stranger.verify;
  expect(await refusal(name, token, { key: other })).toBe('BAD_SIGNATURE');
  const altered = base64url.encode(JSON.stringify({ ...sample(name), iat: NOW_S + 1 }));
  expect(await refusal(name, token.replace(payload, altered))).toBe('BAD_SIGNATURE');
});

test('a MAC made with the public key as secret is no signature', async () => {
  const spki = new TextEncoder().encode(await exportSPKI(service.verify));
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', service.verify));
  for (const key of [spki, raw]) {
    const token = await new SignJWT({ ...sample('command') })
      .setProtectedHeader({ alg: 'HS256', typ: typOf('command'), kid: service.sign.kid })
      .sign(key);
    expect(await refusal('command', token)).toBe('BAD_SIGNATURE');
    const keySet = createLocalJWKSet({ keys: [service.publicKey] });
    expect(await refusal('command', token, { key: keySet })).toBe('BAD_SIGNATURE');
  }
});

test('a signature is no MAC, and nobody reads the key out of the token', async () => {
  const claims = sample('enroll-request');
  const token = await new SignJWT({ ...claims })
    .setProtectedHeader({
      alg: 'ES256',
      typ: typOf('enroll-request'),
      jwk: { ...stranger.publicKey },
    })
    .sign(stranger.sign.key);
  expect(await refusal('enroll-request', token)).toBe('BAD_SIGNATURE');
  const command = await forged('command', sample('command'), { jwk: { ...stranger.publicKey } });
  expect(await refusal('command', command, { key: stranger.verify })).toBe('BAD_SIGNATURE');
});

test('only keys of the pinned set count, by their name', async () => {
  const pinned = createLocalJWKSet({ keys: [service.publicKey] });
  const token = await signToken('command', sample('command'), service.sign);
  expect(await refusal('command', token, { key: pinned })).toBe('accepted');
  const unpinned = await signToken('command', sample('command'), stranger.sign);
  expect(await refusal('command', unpinned, { key: pinned })).toBe('BAD_SIGNATURE');
  const liar = { key: stranger.sign.key, kid: service.sign.kid };
  const borrowed = await signToken('command', sample('command'), liar);
  expect(await refusal('command', borrowed, { key: pinned })).toBe('BAD_SIGNATURE');
});

test.each(AGED)(
  'a %s token is good for a minute and the tolerance, before and after',
  async (name) => {
    const { maxAgeS } = TOKENS[name] as { maxAgeS: number };
    const token = await signToken(name, sample(name), signerOf(name));
    const at = (offsetS: number): Promise<string> =>
      refusal(name, token, { now: NOW + offsetS * 1000 });
    expect(await at(maxAgeS + CLOCK_TOLERANCE_S - 1)).toBe('accepted');
    expect(await at(maxAgeS + CLOCK_TOLERANCE_S + 1)).toBe('EXPIRED');
    expect(await at(-CLOCK_TOLERANCE_S)).toBe('accepted');
    expect(await at(-CLOCK_TOLERANCE_S - 1)).toBe('NOT_YET_VALID');
  },
);

test('a token refused for its time names both clocks', async () => {
  const token = await signToken('command', sample('command'), service.sign);
  const late = verifyToken('command', token, { key: service.verify, now: NOW + 3_600_000 });
  await expect(late).rejects.toThrow(/made at 2026-08-01T10:00:00.000Z .* 2026-08-01T11:00:00/);
  const early = verifyToken('command', token, { key: service.verify, now: NOW - 3_600_000 });
  await expect(early).rejects.toThrow(/made at 2026-08-01T10:00:00.000Z .* 2026-08-01T09:00:00/);
});

test('claims that are wrong are not signed, and the error names them without quoting them', async () => {
  const claims = { ...sample('writeback'), version: -7, reason: 'Planted\u0000' };
  const signing = signToken('writeback', claims, service.sign);
  await expect(signing).rejects.toThrow(TypeError);
  await expect(signing).rejects.toThrow(/^writeback token: unexpected version$/);
});

test('no `exp` of its own makes a command good for longer', async () => {
  const token = await forged('command', { ...sample('command'), exp: NOW_S + 3600 });
  expect(await refusal('command', token, { now: NOW + 100_000 })).toBe('EXPIRED');
});

test.each(['writeback', 'sealing-key', 'outcome'] as const)(
  'a %s statement holds until a newer one, whatever the clocks say',
  async (name) => {
    const token = await signToken(name, sample(name), service.sign);
    for (const now of [NOW - 86_400_000, NOW, NOW + 86_400_000]) {
      expect(await refusal(name, token, { now })).toBe('accepted');
    }
  },
);

test('a key set holds until its own end', async () => {
  const token = await signToken('key-set', sample('key-set'), service.sign);
  expect(await refusal('key-set', token, { now: NOW + 30_000 })).toBe('accepted');
  expect(await refusal('key-set', token, { now: NOW + 91_000 })).toBe('EXPIRED');
});

test('audience and issuer are compared whole, and a list of them is none', async () => {
  const claims = sample('command');
  const token = await signToken('command', claims, service.sign);
  expect(await refusal('command', token, { audience: claims.aud, issuer: claims.iss })).toBe(
    'accepted',
  );
  expect(await refusal('command', token, { audience: `${claims.aud}x` })).toBe('WRONG_AUDIENCE');
  expect(await refusal('command', token, { issuer: `${claims.iss}/` })).toBe('WRONG_ISSUER');
  const both = await forged('command', { ...claims, aud: [claims.aud, 'other'] });
  expect(await refusal('command', both, { audience: claims.aud })).toBe('MALFORMED');
});

const EARLY: readonly string[] = [
  'enroll-request',
  'enroll-response',
  'connect',
  'hello',
  'status',
];

test.each(NAMES)(
  'a %s token with a claim too many, too few or of the wrong type is malformed',
  async (name) => {
    const claims = sample(name);
    // Made before a protocol is agreed on: a newer peer may say more.
    const tooMany = EARLY.includes(name) ? 'accepted' : 'MALFORMED';
    expect(await refusal(name, await forged(name, { ...claims, nonsense: 1 }))).toBe(tooMany);
    expect(await refusal(name, await forged(name, { ...claims, nbf: NOW_S }))).toBe(tooMany);
    for (const claim of Object.keys(claims)) {
      const { [claim]: _, ...rest } = claims as Record<string, unknown>;
      const wrong = await forged(name, { ...rest, [claim]: { wrong: true } });
      expect([claim, await refusal(name, wrong)]).toEqual([claim, 'MALFORMED']);
    }
  },
);

test.each([
  ['nothing', ''],
  ['dots', '..'],
  ['two parts', 'a.b'],
  ['a JWE', 'a.b.c.d.e'],
  ['no base64url', '*.*.*'],
  ['text beyond ASCII', 'é.é.é'],
  ['no JSON', 'AAAA.AAAA.AAAA'],
])('%s is no token', async (_, token) => {
  for (const name of NAMES) expect(await refusal(name, token)).toBe('MALFORMED');
});

test.each([
  ['text', '"text"'],
  ['null', 'null'],
  ['an array', '[]'],
  ['no JSON', '{'],
])('a signed payload that is %s is malformed', async (_, payload) => {
  const { CompactSign } = await import('jose');
  const token = await new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: 'ES256', typ: typOf('command') })
    .sign(service.sign.key);
  expect(await refusal('command', token)).toBe('MALFORMED');
});

test('whatever is received, verifying throws nothing but a TokenError', async () => {
  const good = await signToken('command', sample('command'), service.sign);
  const part = fc.oneof(
    fc.constantFrom(...good.split('.'), ''),
    fc.string(),
    fc.json().map((text) => base64url.encode(text)),
    fc
      .record(
        {
          alg: fc.constantFrom('ES256', 'none', 'HS256', 1),
          typ: fc.constant(typOf('command')),
          b64: fc.constant(false),
          crit: fc.constantFrom(['b64'], [], 'b64'),
        },
        { requiredKeys: ['alg'] },
      )
      .map((header) => base64url.encode(JSON.stringify(header))),
  );
  const keySet = createLocalJWKSet({ keys: [service.publicKey] });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 4 }), async (parts) => {
      const token = parts.join('.');
      for (const key of [service.verify, keySet]) await refusal('command', token, { key });
    }),
    { ...SEEDED, numRuns: 300 },
  );
});

test('no error quotes what stood in the token', async () => {
  const planted = 'planted-'.repeat(10);
  const status = sample('status');
  const report = { ...status.report, counters: { [planted]: 1 }, [planted]: planted };
  const tokens: readonly (readonly [TokenName, string, string?])[] = [
    ['command', planted],
    ['command', `${planted}.${planted}.${planted}`],
    ['command', await forged('command', { ...sample('command'), [planted]: planted, op: planted })],
    ['status', await forged('status', { ...status, report })],
    ['status', await forged('status', { ...status, aud: planted }), 'https://reset.example/'],
  ];
  for (const [name, token, audience] of tokens) {
    const error = await verifyToken(name, token, {
      key: service.verify,
      now: NOW,
      ...(audience !== undefined && { audience }),
    }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TokenError);
    const { message, stack, cause } = error as TokenError;
    expect(`${message} ${stack ?? ''} ${String(cause)}`).not.toContain('planted');
    expect(message.length).toBeLessThan(200);
    expect(ShortText.safeParse(message).success).toBe(true);
  }
});

test('a token that would be refused is never signed', async () => {
  const claims = { ...sample('command'), actor: 'Ada Lovelace' };
  await expect(async () => signToken('command', claims, service.sign)).rejects.toThrow();
});

test('a command is never taken for an inspection, even where their claims overlap', () => {
  const [command] = fc.sample(valid(CommandClaims), { seed: 1, numRuns: 1 });
  const [inspect] = fc.sample(valid(InspectClaims), { seed: 1, numRuns: 1 });
  expect(InspectClaims.safeParse(command).success).toBe(false);
  expect(CommandClaims.safeParse(inspect).success).toBe(false);
});
