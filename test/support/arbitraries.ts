import fc, { type Arbitrary } from 'fast-check';
import { z } from 'zod';
import { EncryptionKey, PublicKey, VerificationKey } from '../../src/protocol/keys.ts';

/** Points of P-256 that nobody knows the private half of any more. */
const POINTS = [
  {
    x: 'R4HbzWZTJu6t9t7uansYD07VpuXrN-nEqlixHeA_tUM',
    y: 'sh7jKK3LoMUGfmr2JJlMAqGt7tXjc8Xo8xpvG13foss',
  },
] as const;

const publicKeys = (uses: readonly ('sig' | 'enc')[]): Arbitrary<unknown> =>
  fc
    .tuple(fc.constantFrom(...POINTS), fc.constantFrom(...uses), fc.stringMatching(/^[\w-]{43}$/))
    .map(([point, use, kid]) => ({
      kty: 'EC',
      crv: 'P-256',
      ...point,
      kid,
      alg: use === 'sig' ? 'ES256' : 'ECDH-ES+A256KW',
      use,
    }));

/** What no generator hits by chance. */
const SPECIAL = new Map<z.core.$ZodType, Arbitrary<unknown>>([
  [PublicKey, publicKeys(['sig', 'enc'])],
  [VerificationKey, publicKeys(['sig'])],
  [EncryptionKey, publicKeys(['enc'])],
]);

/** Values that a schema of the protocol accepts; every value has been seen to pass it. */
export function valid<T extends z.ZodType>(schema: T): Arbitrary<z.input<T>> {
  return of(schema).filter((value) => schema.safeParse(value).success) as Arbitrary<z.input<T>>;
}

/** Any JSON value, nested a little. */
export function anyJson(): Arbitrary<unknown> {
  return fc.jsonValue({ maxDepth: 4 });
}

/** One per schema: building them costs more than drawing from them. */
const built = new WeakMap<z.core.$ZodType, Arbitrary<unknown>>();

function of(schema: z.core.$ZodType): Arbitrary<unknown> {
  const known = SPECIAL.get(schema) ?? built.get(schema);
  if (known !== undefined) return known;
  const made = build(schema);
  built.set(schema, made);
  return made;
}

function build(schema: z.core.$ZodType): Arbitrary<unknown> {
  if (schema instanceof z.ZodObject) return object(schema);
  if (schema instanceof z.ZodOptional) return of(schema.def.innerType);
  if (schema instanceof z.ZodArray) return array(schema);
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.def.options.map(of)); // both kinds
  if (schema instanceof z.ZodRecord)
    return fc.dictionary(fc.stringMatching(/^\w{1,64}$/), fc.nat());
  return scalar(schema);
}

function scalar(schema: z.core.$ZodType): Arbitrary<unknown> {
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.def.values);
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodNumber) return number(schema);
  if (schema instanceof z.ZodURL)
    return fc.stringMatching(/^https:\/\/[a-z]{1,8}\.example(?::[1-9][0-9]{3})?\/$/);
  if (schema instanceof z.ZodISODateTime) return dateTime();
  if (schema instanceof z.ZodString) return text(schema);
  throw new Error(`no arbitrary for a ${schema._zod.def.type}`);
}

function object({ shape }: z.ZodObject): Arbitrary<unknown> {
  const entries = Object.entries<z.core.$ZodType>(shape);
  return fc.record(Object.fromEntries(entries.map(([name, member]) => [name, of(member)])), {
    requiredKeys: entries.filter(([, m]) => m._zod.optin !== 'optional').map(([name]) => name),
    noNullPrototype: true,
  });
}

function array(schema: z.ZodArray): Arbitrary<unknown> {
  const { minLength, maxLength } = limits(schema, 4);
  return fc.array(of(schema.element), { minLength, maxLength });
}

function number(schema: z.ZodNumber): Arbitrary<unknown> {
  const min = Math.max(schema.minValue ?? 0, 0);
  const max = Math.min(schema.maxValue ?? Infinity, 4_000_000_000);
  return schema.format === 'safeint'
    ? fc.integer({ min, max })
    : fc.double({ min, max, noNaN: true });
}

function dateTime(): Arbitrary<unknown> {
  const [min, max] = [new Date('1970-01-01T00:00:00Z'), new Date('9999-12-31T23:59:59.999Z')];
  return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString());
}

function text(schema: z.ZodString): Arbitrary<unknown> {
  const { minLength, maxLength, pattern } = limits(schema, 64);
  if (pattern === undefined) return fc.string({ minLength, maxLength });
  // An open end takes the length limits, or hardly a text would keep them.
  const source = pattern.source.replace(/[*+]\$$/, `{${minLength},${maxLength}}$`);
  return fc.stringMatching(new RegExp(source));
}

interface Limits {
  readonly minLength: number;
  readonly maxLength: number;
  readonly pattern?: RegExp;
}

/** What a schema's checks say of length and form; `cap` keeps the values small. */
function limits(schema: z.ZodString | z.ZodArray, cap: number): Limits {
  const checks = (schema.def.checks ?? []).map((check) => check._zod.def as CheckFacts);
  const exact = checks.find(({ length }) => length !== undefined)?.length;
  const minLength = exact ?? checks.find(({ minimum }) => minimum !== undefined)?.minimum ?? 0;
  const maximum = exact ?? checks.find((check) => check.maximum !== undefined)?.maximum ?? cap;
  const pattern = checks.find((check) => check.pattern !== undefined)?.pattern;
  return {
    minLength,
    maxLength: Math.max(minLength, Math.min(maximum, cap)),
    ...(pattern !== undefined && { pattern }),
  };
}

/** The members of the checks that this file looks for; each check has some of them. */
interface CheckFacts {
  readonly length?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: RegExp;
}
