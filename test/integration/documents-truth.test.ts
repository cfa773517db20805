import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  closeCodeTable,
  eventTable,
  linkRefusalTable,
  outcomeCodeTable,
  serviceCodeTable,
  serviceConfigTable,
} from '../../scripts/lib/tables.ts';
import { runProgram as runAgent } from '../../src/agent/cli/program.ts';
import { configReference } from '../../src/agent/config/reference.ts';
import { runProgram as runCloud } from '../../src/cloud/cli/program.ts';
import { loadConfig } from '../../src/cloud/config/load-config.ts';
import type { Terminal } from '../../src/cloud/cli/terminal.ts';
import { CLOSE_CODES } from '../../src/protocol/messages.ts';
import { EVENTS } from '../../src/support/events.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');
const TEXTS = [
  'README.md',
  'CHANGELOG.md',
  'config/passback.example.yaml',
  'config/passback-cloud.example.yaml',
  'config/REFERENCE.md',
  'service/OPERATING.md',
  'service/API.md',
  'service/DELEGATION.md',
  'service/LINUX.md',
  'service/THREATS.md',
  'service/windows/README.md',
  'SECURITY.md',
];
const PROGRAMS = { passback: runAgent, 'passback-cloud': runCloud };

async function helpOf(program: keyof typeof PROGRAMS, words: readonly string[]): Promise<string> {
  let out = '';
  const terminal: Terminal = {
    env: {},
    isInteractive: false,
    print: (text) => (out += `${text}\n`),
    complain: (text) => (out += `${text}\n`),
    readInput: () => Promise.resolve(''),
    askHidden: () => Promise.resolve(''),
    setExitCode: () => undefined,
    stopSignals: () => {
      throw new Error('help runs nothing');
    },
  };
  await PROGRAMS[program]([...words, '--help'], terminal);
  return out;
}

/** The commands that a help page lists. */
function commandsIn(help: string): readonly string[] {
  const [, list = ''] = /\nCommands:\n([^]*?)(?:\n\n|$)/.exec(help) ?? [];
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name);
}

interface Mention {
  readonly program: keyof typeof PROGRAMS;
  readonly words: readonly string[];
}

/** What a text gives to be typed: at the beginning of a line, of code, or behind a prompt's `Next:`. */
function mentionsIn(text: string): Mention[] {
  const found = text.matchAll(
    /(?:^|`|: |\()(?:sudo )?(passback|passback-cloud) +([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/gm,
  );
  return [...found].map(([, program = '', first = '', second]) => ({
    program: program as Mention['program'],
    words: [first, ...(second === undefined ? [] : [second])],
  }));
}

async function unknownIn(text: string): Promise<string[]> {
  const unknown: string[] = [];
  for (const { program, words } of mentionsIn(text)) {
    const [first = '', second] = words;
    const inner = commandsIn(await helpOf(program, [first]));
    const isKnown = commandsIn(await helpOf(program, [])).includes(first);
    const isWhole = inner.length === 0 || second === undefined || inner.includes(second);
    if (!isKnown || !isWhole) unknown.push([program, ...words].join(' '));
  }
  return unknown;
}

/** What a shell is given in a text: lines of its blocks, and code in sentences, each with its words. */
function shellWordsIn(text: string): string[][] {
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block);
  const spans = [...text.matchAll(/`((?:sudo )?(?:passback|passback-cloud|\.\/scripts\/)[^`]*)`/g)];
  return [...blocks, ...spans.map(([, span = '']) => span)].flatMap((code) => {
    const whole = code.replaceAll(/\\\n */g, ' ').replaceAll(/(?:^|\s)#.*$/gm, '');
    const lists = new Map(
      [...whole.matchAll(/^(\w+)=\((.*)\)$/gm)].map(([, name = '', list = '']) => [name, list]),
    );
    const filled = whole.replaceAll(/"\$\{(\w+)\[@\]\}"/g, (all, name: string) => {
      return lists.get(name) ?? all;
    });
    return filled.split(/\n|&&|\|+|;/).map((line) => line.split(/\s+/).filter(Boolean));
  });
}

function optionsIn(words: readonly string[]): string[] {
  return words.flatMap((word) => /^--?[a-z][\w-]*/.exec(word) ?? []);
}

/** Every option that stands behind a command of ours, or a script, that does not have it. */
async function strayOptionsIn(text: string): Promise<{ seen: number; stray: string[] }> {
  const stray: string[] = [];
  let seen = 0;
  for (const words of shellWordsIn(text)) {
    const [program, path, rest] = await commandIn(words);
    if (program === undefined) continue;
    const help = program.startsWith('./')
      ? await usageOf(program)
      : await helpOf(program as Mention['program'], path);
    for (const option of optionsIn(rest)) {
      seen += 1;
      const isThere = new RegExp(`(?:^|[\\s[|(])${option}(?![\\w-])`, 'm').test(optionsOf(help));
      if (!isThere) stray.push([program, ...path, option].join(' '));
    }
  }
  return { seen, stray };
}

/** The usage of a script is short and has its options everywhere; of a command they have a place. */
function optionsOf(help: string): string {
  const [, list] = /\nOptions:\n([^]*?)(?:\n\n|$)/.exec(help) ?? [];
  return list === undefined ? help : list.replaceAll(/(?<=^ .*?\S) {2,}.*$/gm, '');
}

/** The program or script among the words, its commands, and what stands behind them. */
async function commandIn(
  words: readonly string[],
): Promise<[string | undefined, readonly string[], readonly string[]]> {
  for (const [at, program] of words.entries()) {
    if (program.startsWith('./scripts/')) return [program, [], words.slice(at + 1)];
    if (!Object.hasOwn(PROGRAMS, program)) continue;
    const path: string[] = [];
    let known = commandsIn(await helpOf(program as Mention['program'], []));
    for (const word of words.slice(at + 1)) {
      if (!known.includes(word)) break;
      path.push(word);
      known = commandsIn(await helpOf(program as Mention['program'], path));
    }
    if (path.length > 0) return [program, path, words.slice(at + 1 + path.length)];
  }
  return [undefined, [], []];
}

const usages = new Map<string, Promise<string>>();

function usageOf(script: string): Promise<string> {
  const said =
    usages.get(script) ?? run(join(ROOT, script), ['--help']).then(({ stdout }) => stdout);
  usages.set(script, said);
  return said;
}

describe('no text gives a command or a script an option that it does not have', () => {
  test('the search for them finds some, in blocks, lists and sentences, and those that are not there', async () => {
    const text = [
      '```sh',
      'to=(--directory corp --uri x)',
      'sudo -u passback-cloud passback-cloud init --url x \\',
      '  --daat /var && passback-cloud token --out x "${to[@]}"   # --not-this',
      '```',
      'run `passback pause --reason x --for 2h`, `passback resume --for 2h` and `./scripts/bench --reset 96`,',
      'or `./scripts/demo --once`',
    ].join('\n');
    expect(await strayOptionsIn(text)).toEqual({
      seen: 10,
      stray: [
        'passback-cloud init --daat',
        'passback-cloud token --uri',
        'passback resume --for',
        './scripts/bench --reset',
      ],
    });
  });

  test.each(TEXTS.filter((path) => path.endsWith('.md')))('%s', async (path) => {
    const { seen, stray } = await strayOptionsIn(await readFile(join(ROOT, path), 'utf8'));
    expect(stray).toEqual([]);
    if (path === 'README.md') expect(seen).toBeGreaterThan(30);
  });
});

test.for(['bash', 'zsh'])('what README keeps in a list is words in %s', async (shell, { skip }) => {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
  const [, block = ''] = /```sh\n(to=[^]*?)```/.exec(readme) ?? [];
  const counted = `passback-cloud() { printf '%s\\n' $#; }\n${block}`;
  const said = await run(shell, ['-c', counted]).catch((error: unknown) => error);
  const isAbsent = said instanceof Error && 'code' in said && said.code === 'ENOENT';
  skip(isAbsent, `${shell} is not installed`);
  expect(said).toMatchObject({ stdout: '11\n10\n' });
});

describe('no text sends anybody to a command that does not exist', () => {
  test('the search for them finds some, and finds one that is not there', async () => {
    const text =
      'run `passback frobnicate`, then\npassback-cloud agent list\n`passback-cloud agent frob`';
    expect(mentionsIn(text)).toHaveLength(3);
    expect(await unknownIn(text)).toEqual(['passback frobnicate', 'passback-cloud agent frob']);
  });

  test.each(TEXTS)('%s', async (path) => {
    expect(await unknownIn(await readFile(join(ROOT, path), 'utf8'))).toEqual([]);
  });

  test('the tables and the help pages', async () => {
    const tables = [
      outcomeCodeTable(),
      serviceCodeTable(),
      linkRefusalTable(),
      eventTable(),
      closeCodeTable(),
      configReference(),
    ];
    expect(await unknownIn(tables.join('\n'))).toEqual([]);
    for (const program of ['passback', 'passback-cloud'] as const) {
      const pages = [await helpOf(program, [])];
      for (const name of commandsIn(pages[0] ?? '')) {
        const page = await helpOf(program, [name]);
        pages.push(page);
        for (const inner of commandsIn(page)) pages.push(await helpOf(program, [name, inner]));
      }
      expect(pages.length).toBeGreaterThan(5);
      expect(await unknownIn(pages.map((page) => page.replaceAll(/^ +/gm, '')).join('\n'))).toEqual(
        [],
      );
    }
  });
});

test.each(['passback', 'passback-cloud'] as const)(
  'every command of %s that can be run shows how in its help',
  async (program) => {
    const withoutExample: string[] = [];
    const look = async (path: readonly string[]): Promise<void> => {
      const help = await helpOf(program, path);
      const inner = commandsIn(help).filter((name) => name !== 'help');
      for (const name of inner) await look([...path, name]);
      const example = new RegExp(`^ +(source <\\()?${[program, ...path].join(' ')}( |$)`, 'm');
      if (inner.length === 0 && !/^Examples?[:,]/m.test(help)) withoutExample.push(path.join(' '));
      else if (inner.length === 0) expect(help).toMatch(example);
    };
    await look([]);
    expect(withoutExample).toEqual([]);
  },
);

test('every close code says what to do', () => {
  const rows = closeCodeTable().split('\n').slice(2);
  expect(rows).toHaveLength(Object.keys(CLOSE_CODES).length);
  for (const row of rows) expect(row).toMatch(/^(\| [^|]+){3}\| [A-Z][^|]*\. \|$/);
});

test('every event says what it means and what to do', () => {
  const rows = eventTable().split('\n').slice(2);
  expect(rows).toHaveLength(Object.keys(EVENTS).length);
  for (const row of rows) {
    const cells = row.split(' | ');
    expect(cells, row).toHaveLength(4);
    for (const cell of cells) expect(cell.trim().length, row).toBeGreaterThan(3);
  }
});

test('every setting of the service says what it expects, in the table and in its error', async () => {
  for (const row of serviceConfigTable().split('\n').slice(2))
    expect(row).toMatch(/Expects .+\. \|$/);
  const example = join(ROOT, 'config/passback-cloud.example.yaml');
  const wrong = { PASSBACK_CLOUD_DRAIN_MS: '70000', PASSBACK_CLOUD_LISTEN_PORT: '65536' };
  await expect(loadConfig(example, wrong)).rejects.toMatchObject({
    problems: expect.arrayContaining([
      { key: 'drainMs', problem: 'expected milliseconds from 0 to 60000, found 70000' },
      { key: 'listen.port', problem: 'expected a port from 0 to 65535, found 65536' },
    ]) as unknown,
  });
});
