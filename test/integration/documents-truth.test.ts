import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  const [, list = ''] = help.split('\nCommands:\n');
  return [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name);
}

interface Mention {
  readonly program: keyof typeof PROGRAMS;
  readonly words: readonly string[];
}

/** What a text gives to be typed: at the beginning of a line, of code, or behind a prompt's `Next:`. */
function mentionsIn(text: string): Mention[] {
  const found = text.matchAll(
    /(?:^|`|: |\()(?:sudo )?(passback|passback-cloud) +([a-z]+)(?: ([a-z]+))?/gm,
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
