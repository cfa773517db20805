import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  blocksOf,
  commandsOf,
  commandsSaid,
} from '../../../scripts/package-trial/by-the-text/blocks.ts';

/** Its blocks are typed by scripts/try-package, which fails at one whose place it does not know. */
const TYPED_SECTION = 'Install it on a server';
const BY_THE_TEXT = 'scripts/package-trial/by-the-text';

/** The file of this checkout that runs a command, and how that says so; or why it is run by hand. */
const RUN_BY: Readonly<Record<string, readonly [file: string, words: string] | string>> = {
  './scripts/demo': ['test/directory/demo.test.ts', "'./scripts/demo'"],
  './scripts/demo --once': ['.ci/run', './scripts/demo --once'],
  './scripts/test': ['.ci/run', './scripts/test'],
  './scripts/package': 'by hand: before a release; scripts/try-package makes the same packages',
  './scripts/windows-packages': 'by hand: before a release; test/windows installs the same MSI',
  './scripts/bundle': ['.ci/run', './scripts/bundle --check'],
  './scripts/bench': 'by hand: its numbers need a machine that does nothing else',
  './scripts/bench --only start': 'by hand: as all of bench',
  './scripts/bench --only …': 'by hand: as all of bench',
  './scripts/chaos --seed 20261201 --cuts 255':
    'by hand: half an hour; test/chaos makes a shorter run',
  './scripts/soak': 'by hand: an hour',
  './scripts/lab up': 'by hand: it ends at Ctrl-C; scripts/demo starts the same lab',
  'npm ci --ignore-scripts && npm run build': [
    'scripts/lib/prerequisites.sh',
    'ci --ignore-scripts',
  ],
  'npm run check': 'by hand: .ci/run does all that it does',
  'node dist/src/agent/main.js': ['test/support/program.ts', 'dist/src/agent/main.js'],
  'node dist/src/cloud/main.js': ['test/support/program.ts', 'dist/src/cloud/main.js'],
  'passback completion bash': ['test/integration/completion.test.ts', "['completion', 'bash']"],
  'passback version': ['test/integration/agent-cli.test.ts', "passback(['version'])"],
  'passback doctor': [`${BY_THE_TEXT}/operating.ts`, "'passback doctor'"],
  'passback pause': [`${BY_THE_TEXT}/operating.ts`, "'passback pause'"],
  'passback status': [`${BY_THE_TEXT}/operating.ts`, "'passback status'"],
  'passback support-bundle': [`${BY_THE_TEXT}/operating.ts`, "'passback support-bundle'"],
  'passback-cloud status': [`${BY_THE_TEXT}/operating.ts`, "'passback-cloud status'"],
  'passback-cloud operate': ['README.md', '\npassback-cloud operate reset '],
  'passback-cloud serve': ['README.md', '\npassback-cloud serve '],
};

test('of every command in README, and of no other, it is known who runs it', () => {
  const readme = textOf('README.md');
  const blocks = blocksOf(readme).filter(({ section }) => section !== TYPED_SECTION);
  const commands = new Set([...blocks.flatMap(commandsOf), ...commandsSaid(readme)]);
  expect([...commands].toSorted()).toEqual(Object.keys(RUN_BY).toSorted());
});

test.each(Object.entries(RUN_BY))('%s is run there, or by hand for a reason', (_, runner) => {
  if (typeof runner === 'string') expect(runner).toMatch(/^by hand: ./);
  else expect(textOf(runner[0])).toContain(runner[1]);
});

function textOf(path: string): string {
  return readFileSync(join(import.meta.dirname, '../../..', path), 'utf8');
}
