import { expect, test } from 'vitest';
import {
  blocksOf,
  commandsOf,
  commandsSaid,
  saidIn,
  sectionOf,
} from '../../../scripts/package-trial/by-the-text/blocks.ts';

const TEXT = [
  '# Tool',
  '```text',
  '# not a heading',
  '```',
  '## Install',
  '**1. On the host**, as root:',
  '',
  '```sh',
  'tool init --url x \\',
  '  --data y',
  '',
  'tool serve # for ever',
  '```',
  'Then `tool stop`, which is **2. important** nowhere.',
  '',
  '## Use',
  '```sh',
  'tool use',
  '```',
].join('\n');

test('what is to be typed is found with its section and the place that its step names', () => {
  expect(blocksOf(TEXT)).toEqual([
    {
      section: 'Install',
      where: 'On the host',
      script: 'tool init --url x \\\n  --data y\n\ntool serve # for ever\n',
    },
    { section: 'Use', where: '', script: 'tool use\n' },
  ]);
});

test('a command is a line, or several where a backslash goes on', () => {
  const [block] = blocksOf(TEXT);
  expect(block && commandsOf(block)).toEqual([
    'tool init --url x --data y',
    'tool serve # for ever',
  ]);
});

test('a command in a sentence is the one that stands there, and none that does not', () => {
  expect(saidIn(TEXT, 'tool stop')).toBe('tool stop');
  expect(() => saidIn(TEXT, 'tool start')).toThrow('no longer says `tool start`');
});

test('a section is what stands below its heading, up to the next one', () => {
  expect(sectionOf(TEXT, 'Use')).toBe('\n```sh\ntool use\n```');
  expect(sectionOf(TEXT, 'Install')).toMatch(/^\n\*\*1\. [^]* nowhere\.\n\n$/);
  expect(() => sectionOf(TEXT, 'Removal')).toThrow('no longer has “Removal”');
});

test('commands of ours in sentences are found once, however they are broken, and names alone are not', () => {
  const sentences = 'Run `./scripts/demo`, `passback\n  status`, or `npm ci`: `passback status`.';
  const others = 'No `passback`, `config/passback.yaml`, `tool stop`.\n```sh\n: `node x`\n```\n';
  expect(commandsSaid(sentences + others)).toEqual(['./scripts/demo', 'passback status', 'npm ci']);
});
