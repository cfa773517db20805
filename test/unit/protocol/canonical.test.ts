import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bindingText, canonicalJson } from '../../../src/protocol/canonical.ts';
import { commandDigest, sha256, signedHash } from '../../../src/protocol/digest.ts';
import { CommandClaims } from '../../../src/protocol/command.ts';
import { anyJson, valid } from '../../support/arbitraries.ts';
import { BINDING } from '../../support/sealing-samples.ts';
import { SEEDED } from '../../support/seeded.ts';

test('the example of RFC 8785 section 3.2.2 comes out as in section 3.2.3', () => {
  const input: unknown = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`);
  expect(canonicalJson(input)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
});

test('members are sorted by UTF-16 units as in RFC 8785 section 3.2.3', () => {
  const input = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  expect(Object.values(JSON.parse(canonicalJson(input)) as object)[0]).toBe('One'); // as V8 orders
  expect([...canonicalJson(input).matchAll(/:"([^"]+)"/g)].map(([, value]) => value)).toEqual([
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

// RFC 8785 appendix B: IEEE 754 bits and the text that they have to become.
test.each([
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
])('the double %s is written %s', (bits, text) => {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${bits}`));
  expect(canonicalJson(view.getFloat64(0))).toBe(text);
});

test('the order in which members were set makes no difference, and nothing is lost', () => {
  fc.assert(
    fc.property(anyJson(), (value) => {
      const text = canonicalJson(value);
      expect(canonicalJson(backwards(value))).toBe(text);
      expect(canonicalJson(JSON.parse(text))).toBe(text);
    }),
    SEEDED,
  );
});

function backwards(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(backwards);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, backwards(member)]),
  );
}

test.each([
  ['NaN', NaN],
  ['infinity', [Infinity]],
  ['nothing', undefined],
  ['a lone surrogate', { password: 'planted\ud800' }],
  ['a lone surrogate in a name', { '\udc00': 1 }],
  ['a big integer', 1n],
])('%s has no canonical form, and the error quotes nothing', (_, value) => {
  expect(() => canonicalJson(value)).toThrow(new TypeError('canonicalJson: not a JSON value'));
});

test('the text that a secret is bound to is this, byte for byte', () => {
  expect(bindingText(BINDING)).toBe(
    '{"account":{"objectGuid":"0c7f5a52-94c1-4f6e-8a5e-b2a1d35c9e10"},' +
      '"baseline":{"controller":"dc1.corp.example","controllerTime":"2026-08-01T10:00:00.000Z",' +
      '"lockoutTime":"0","pwdLastSet":"134000000000000000","unicodePwd":{' +
      '"changedAt":"2026-03-01T08:00:00.000Z","invocationId":"e2d1b0f4-7c1e-4a39-b1f0-2a4c6e8d0b13",' +
      '"usn":"123456","version":7}},"cmd":"5b0e1c5e-6c7a-4d2b-9a53-0f5a8d1c2e01",' +
      '"directory":"corp","notAfter":"2026-08-01T10:05:00.000Z","op":"reset",' +
      '"options":{"mustChange":false,"unlock":true}}',
  );
});

test('what a binding object holds besides is not bound', () => {
  const more = { ...BINDING, by: 'admin', password: 'x' };
  expect(bindingText(more)).toBe(bindingText(BINDING));
});

test('SHA-256 is that of FIPS 180-2, over UTF-8', () => {
  expect(sha256('abc')).toBe('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0');
  expect(sha256('')).toBe('47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU');
});

test('a second signature over the same content changes no hash of it', () => {
  expect(signedHash('aGVhZA.Ym9keQ.c2ln')).toBe(signedHash('aGVhZA.Ym9keQ.b3RoZXI'));
  expect(signedHash('aGVhZA.Ym9keQ.c2ln')).toBe(sha256('aGVhZA.Ym9keQ'));
  expect(signedHash('no token at all')).toBe(sha256('no token at all'));
});

const FEW = { ...SEEDED, numRuns: 15 };

test('two dispatches of one operation have one digest, whoever they go to', () => {
  fc.assert(
    fc.property(valid(CommandClaims), valid(CommandClaims), (claims, other) => {
      const { iss, agent, jti, sid, iat, exp, attempts, by, actor } = other;
      const { startWithinMs, monotonicMs } = other;
      const times = { iat, exp, startWithinMs, monotonicMs };
      const envelope = { iss, agent, jti, sid, attempts, by, actor, ...times };
      const again = { ...claims, ...envelope };
      if ('secret' in again && 'secret' in other) {
        // Another agent gets another wrapping of the same content.
        const { header, encrypted_key } = other.secret;
        Object.assign(again, { secret: { ...again.secret, header, encrypted_key } });
      }
      expect(commandDigest(again)).toBe(commandDigest(claims));
    }),
    FEW,
  );
});

test('any other content has another digest', () => {
  const [reset, , unlock] = CommandClaims.def.options;
  const guid = '11111111-1111-4111-8111-111111111111';
  fc.assert(
    fc.property(valid(reset), (claims) => {
      const { baseline, secret } = claims;
      const others: CommandClaims[] = [
        { ...claims, aud: `x${claims.aud.slice(0, 60)}` },
        { ...claims, cmd: guid },
        { ...claims, op: 'change' },
        { ...claims, account: { objectGuid: guid } },
        { ...claims, unlock: !claims.unlock },
        { ...claims, mustChange: !claims.mustChange },
        { ...claims, notAfter: '2000-01-01T00:00:00.001Z' },
        { ...claims, baseline: { ...baseline, pwdLastSet: `${baseline.pwdLastSet}0` } },
        { ...claims, baseline: { ...baseline, lockoutTime: `${baseline.lockoutTime}0` } },
        { ...claims, baseline: { ...baseline, controller: `${baseline.controller}x` } },
        { ...claims, baseline: { ...baseline, controllerTime: '2000-01-01T00:00:00.001Z' } },
        { ...claims, secret: { ...secret, iv: `${secret.iv}x` } },
        { ...claims, secret: { ...secret, ciphertext: `${secret.ciphertext}x` } },
        { ...claims, secret: { ...secret, tag: `${secret.tag}x` } },
      ];
      const digests = [claims, ...others].map(commandDigest);
      expect(new Set(digests).size).toBe(digests.length);
    }),
    FEW,
  );
  fc.assert(
    fc.property(valid(unlock), ({ baseline, ...claims }) => {
      if (baseline === undefined) return;
      expect(commandDigest({ ...claims, baseline })).not.toBe(commandDigest(claims));
    }),
    FEW,
  );
});
