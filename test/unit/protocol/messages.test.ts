import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as account from '../../../src/protocol/account.ts';
import * as command from '../../../src/protocol/command.ts';
import * as enrollment from '../../../src/protocol/enrollment.ts';
import * as keys from '../../../src/protocol/keys.ts';
import * as messages from '../../../src/protocol/messages.ts';
import * as outcome from '../../../src/protocol/outcome.ts';
import * as sealed from '../../../src/protocol/sealed.ts';
import * as shapes from '../../../src/protocol/shapes.ts';
import * as status from '../../../src/protocol/status.ts';
import { FROM_AGENT, FROM_SERVICE } from '../../../src/protocol/messages.ts';
import { anyJson, valid } from '../../support/arbitraries.ts';
import { SEEDED } from '../../support/seeded.ts';

const modules = { account, command, enrollment, keys, messages, outcome, sealed, shapes, status };

const SCHEMAS: [string, z.ZodType][] = [
  ...Object.values(modules)
    .flatMap((module) => Object.entries(module))
    .filter((entry): entry is [string, z.ZodType] => entry[1] instanceof z.ZodType),
  ...Object.entries({ ...prefixed('service', FROM_SERVICE), ...prefixed('agent', FROM_AGENT) }),
];

function prefixed(side: string, methods: messages.Methods): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(methods).flatMap(([method, { params, result }]) => [
      [`${side} ${method} params`, params],
      ...(result === undefined ? [] : [[`${side} ${method} result`, result] as const]),
    ]),
  );
}

/** What is read before a protocol is agreed on: a newer peer may say more. */
const TOLERANT = new Set([
  ...['EnrollRequest', 'EnrollRequestClaims', 'EnrollResponse', 'EnrollResponseClaims'],
  ...['ConnectClaims', 'service session.challenge params', 'ProtocolRange'],
  ...['HelloClaims', 'StatusClaims', 'StatusReport', 'ControllerHealth', 'Rights', 'GuardSummary'],
]);

const OBJECTS = SCHEMAS.filter(([, schema]) => schema instanceof z.ZodObject);

const STRICT = OBJECTS.filter(([name]) => !TOLERANT.has(name));

const FEW = { ...SEEDED, numRuns: 10 };

test.each(SCHEMAS)('%s: a valid value survives the wire unchanged', (_, schema) => {
  fc.assert(
    fc.property(valid(schema), (value) => {
      expect(schema.parse(JSON.parse(JSON.stringify(value)))).toEqual(value);
    }),
    FEW,
  );
});

test.each(OBJECTS.filter(([name]) => TOLERANT.has(name)))(
  '%s: a member that the protocol does not know is left out',
  (_, schema) => {
    fc.assert(
      fc.property(valid(schema), anyJson(), (value, extra) => {
        expect(schema.parse({ ...(value as object), 'x-extra': extra })).toEqual(value);
      }),
      FEW,
    );
  },
);

test.each(STRICT)('%s: a member that the protocol does not know is refused', (_, schema) => {
  fc.assert(
    fc.property(valid(schema), anyJson(), (value, extra) => {
      expect(schema.safeParse({ ...(value as object), 'x-extra': extra }).success).toBe(false);
    }),
    FEW,
  );
});

test.each(OBJECTS)('%s: no member may be null, and no required one absent', (_, schema) => {
  fc.assert(
    fc.property(valid(schema), (value) => {
      for (const [name, member] of Object.entries<z.core.$ZodType>((schema as z.ZodObject).shape)) {
        const rest = Object.fromEntries(
          Object.entries(value as object).filter(([n]) => n !== name),
        );
        expect([name, schema.safeParse({ ...rest, [name]: null }).success]).toEqual([name, false]);
        const optional = member._zod.optin === 'optional';
        expect([name, schema.safeParse(rest).success]).toEqual([name, optional]);
      }
    }),
    FEW,
  );
});

test('no schema throws at anything, it accepts or refuses', () => {
  fc.assert(
    fc.property(anyJson(), (value) => {
      for (const [, schema] of SCHEMAS) schema.safeParse(value);
    }),
    SEEDED,
  );
});

const REFUSED: [string, z.ZodType, readonly unknown[]][] = [
  [
    'a UUID in another spelling',
    shapes.Uuid,
    [
      '0C7F5A52-94C1-4F6E-8A5E-B2A1D35C9E10',
      '{0c7f5a52-94c1-4f6e-8a5e-b2a1d35c9e10}',
      '0c7f5a5294c14f6e8a5eb2a1d35c9e10',
      '0c7f5a52-94c1-4f6e-8a5e-b2a1d35c9e10\n',
    ],
  ],
  [
    'a time that is not UTC with milliseconds',
    shapes.Timestamp,
    [
      '2026-08-01T10:00:00Z',
      '2026-08-01T10:00:00.000+00:00',
      '2026-08-01T10:00:00.000',
      '2026-02-30T10:00:00.000Z',
      '2026-08-01 10:00:00.000Z',
      '2026-08-01T24:00:00.000Z',
      1_785_578_400_000,
    ],
  ],
  [
    'a 64-bit integer with a second spelling or out of range',
    shapes.Int64,
    [
      '',
      '-0',
      '+1',
      '01',
      '1.0',
      '1e3',
      '0x1',
      ' 1',
      '9223372036854775808',
      '-9223372036854775809',
      1,
    ],
  ],
  [
    'a host name that would break a log line or canonical JSON',
    shapes.HostName,
    ['', 'dc1\n', 'dc 1', 'dc1\0', 'dc1\ud800', 'x'.repeat(256), '\u00a0'],
  ],
  [
    'a directory id that is no label',
    shapes.DirectoryId,
    ['', 'Corp', '-corp', 'corp.example', 'corp/..', 'x'.repeat(64)],
  ],
  [
    'base64url with padding, or of the other alphabet',
    shapes.Base64Url,
    ['', 'YQ==', 'a+b', 'a/b', 'a b'],
  ],
  [
    'what is no compact JWS',
    shapes.CompactJws,
    ['', 'a.b', 'a.b.c.d', 'a.b.c\n', '.b.c', 'a..c', 'a.b.é', `a.${'b'.repeat(48 * 1024)}.c`],
  ],
  [
    'free text with control characters',
    shapes.ShortText,
    ['a\nb', '\0', '\u001b[31m', 'x'.repeat(513)],
  ],
  ['a name with control characters', account.AccountName, ['', 'a\0b', 'a\r\nb', 'x'.repeat(257)]],
  ['an account addressed by name', account.AccountRef, [{ name: 'ada' }, {}, 'ada']],
  [
    'an actor that is a name with blanks',
    command.Actor,
    ['', 'Ada Lovelace', 'ada\n', 'é', 'x'.repeat(129)],
  ],
];

test.each(REFUSED)('%s is refused', (_, schema, values) => {
  for (const value of values) {
    expect([value, schema.safeParse(value).success]).toEqual([value, false]);
  }
});

test('the ends of the 64-bit range are in it', () => {
  for (const value of ['0', '-1', '9223372036854775807', '-9223372036854775808']) {
    expect(shapes.Int64.safeParse(value).success).toBe(true);
  }
});

describe('commands', () => {
  const [reset, change, unlock] = command.CommandClaims.def.options;

  test('a reset or change without baseline or secret is none', () => {
    for (const schema of [reset, change]) {
      fc.assert(
        fc.property(valid(schema), ({ baseline, secret, recipients, ...rest }) => {
          const parse = (claims: object): boolean =>
            command.CommandClaims.safeParse(claims).success;
          expect(parse({ ...rest, baseline, secret, recipients })).toBe(true);
          expect(parse({ ...rest, secret, recipients })).toBe(false);
          expect(parse({ ...rest, baseline, recipients })).toBe(false);
          expect(parse({ ...rest, baseline, secret })).toBe(false);
          expect(parse({ ...rest, baseline, secret, recipients: [] })).toBe(false);
        }),
        FEW,
      );
    }
  });

  test('an unlock carries no secret', () => {
    fc.assert(
      fc.property(valid(unlock), valid(reset), (claims, { secret }) => {
        expect(command.CommandClaims.safeParse({ ...claims, secret }).success).toBe(false);
      }),
      FEW,
    );
  });
});

test('a private key is no public key', () => {
  fc.assert(
    fc.property(valid(keys.PublicKey), (key) => {
      expect(keys.PublicKey.safeParse({ ...key, d: key.x }).success).toBe(false);
    }),
    FEW,
  );
});

test('what is wrong with a text is said in words, never as a pattern', () => {
  for (const [name, schema] of SCHEMAS) {
    for (const text of ['', '\n', 'ä .', '-', 'x'.repeat(60_000)]) {
      const said = schema.safeParse(text).error?.issues.map(({ message }) => message) ?? [];
      expect(said.join('\n'), name).not.toMatch(/pattern/);
    }
  }
});
