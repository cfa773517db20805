import { parseArgs, type ParseArgsConfig } from 'node:util';

/** What an option takes: nothing, a whole number, any text, or one of a few texts. */
export type OptionKind =
  | { readonly takes: 'nothing' }
  | { readonly takes: 'text'; readonly default: string }
  | { readonly takes: 'number'; readonly from: number; readonly default: number }
  | { readonly takes: 'choice'; readonly of: readonly string[]; readonly default?: string };

export type OptionKinds = Readonly<Record<string, OptionKind>>;

type Value<K> = K extends { takes: 'nothing' }
  ? boolean
  : K extends { takes: 'number' }
    ? number
    : K extends { default: string }
      ? string
      : string | undefined;

export type Options<K extends OptionKinds> = { readonly [Name in keyof K]: Value<K[Name]> };

type Given = string | boolean | undefined;

const MOST = 2 ** 31 - 1;

/** The values of the options on a command line, or one sentence about what is wrong with it. Pure. */
export function readOptions<K extends OptionKinds>(
  kinds: K,
  args: readonly string[],
): { readonly values: Options<K> } | { readonly problem: string } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { takes }] of Object.entries<OptionKind>(kinds)) {
    options[name] = { type: takes === 'nothing' ? 'boolean' : 'string' };
  }
  let given: Readonly<Record<string, Given>>;
  try {
    given = parseArgs({ args: [...args], options }).values as Record<string, Given>; // none is `multiple`
  } catch (error) {
    return { problem: sentenceOf(error) };
  }
  const values: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries<OptionKind>(kinds)) {
    const problem = problemOf(`--${name}`, kind, given[name]);
    if (problem !== undefined) return { problem };
    values[name] = valueOf(kind, given[name]);
  }
  return { values: values as Options<K> };
}

/** Node's own messages go on with advice for programmers. */
function sentenceOf(error: unknown): string {
  const [sentence = ''] = error instanceof Error ? error.message.split(/[.\n]/) : [];
  return sentence;
}

function problemOf(flag: string, kind: OptionKind, given: Given): string | undefined {
  if (kind.takes === 'nothing' || given === undefined) return undefined;
  const text = String(given);
  if (kind.takes === 'text') return text === '' ? `${flag}: expected something` : undefined;
  if (kind.takes === 'choice') {
    return kind.of.includes(text)
      ? undefined
      : `${flag}: expected one of ${kind.of.join(', ')}; found ${JSON.stringify(text)}`;
  }
  const isGood = /^\d{1,10}$/.test(text) && Number(text) >= kind.from && Number(text) <= MOST;
  return isGood
    ? undefined
    : `${flag}: expected a whole number from ${kind.from} to ${MOST}; found ${JSON.stringify(text)}`;
}

function valueOf(kind: OptionKind, given: Given): unknown {
  if (kind.takes === 'nothing') return given === true;
  const value = given ?? kind.default;
  return kind.takes === 'number' ? Number(value) : value;
}

/** The same for the running script, which ends with 2 when the command line is wrong, and with 0 after --help. */
export function optionsOf<K extends OptionKinds>(script: string, kinds: K): Options<K> {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`Usage: see ${script} --help, which also builds and starts what this needs.`);
    process.exit(0);
  }
  const read = readOptions(kinds, args);
  if ('values' in read) return read.values;
  console.error(`${read.problem} (${script} --help says what there is)`);
  process.exit(2);
}
