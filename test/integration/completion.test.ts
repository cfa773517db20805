import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { expect, onTestFinished, test } from 'vitest';
import { runProgram as runCloud } from '../../src/cloud/cli/program.ts';
import { bashCompletion } from '../../src/support/completion/bash.ts';
import { commandTree } from '../../src/support/completion/command-tree.ts';
import { powershellErrors } from '../support/powershell.ts';
import { passback } from '../support/run-passback.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);

async function scriptFile(script: string): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const path = join(folder.path, 'completion');
  await writeFile(path, `${script}\n`);
  return path;
}

/** What bash offers behind these words, of which the last one may be empty. */
async function offered(script: string, words: readonly string[]): Promise<readonly string[]> {
  const [program = ''] = words;
  const path = await scriptFile(script);
  const typed = words.map((word) => `'${word}'`).join(' ');
  const lines = [
    `source '${path}'`,
    `COMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}`,
    `_${program.replaceAll('-', '_')}`,
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ];
  const { stdout } = await run('bash', ['--norc', '-euc', lines.join('\n')]);
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes commands, their commands and their options', async () => {
  const { out, code } = await passback(['completion', 'bash']);
  expect(code).toBe(0);
  expect(await offered(out, ['passback', 'do'])).toEqual(['doctor']);
  expect(await offered(out, ['passback', 'config', ''])).toEqual(
    expect.arrayContaining(['check', 'show', 'reference']),
  );
  expect(await offered(out, ['passback', 'config', 'show', '--'])).toEqual([
    '--config',
    '--json',
    '--help',
  ]);
  expect(await offered(out, ['passback', 'doctor', '--can'])).toEqual(['--canary']);
  expect(await offered(out, ['passback', 'pause', '--reason', ''])).toEqual([]);
  expect(await offered(out, ['passback', 'run', '--config', '/etc/host'])).toContain('/etc/hosts');
  expect(await offered(out, ['passback', 'completion', 'b'])).toEqual([]);
});

test('the reset service completes as well', async () => {
  const printed: string[] = [];
  const never = new AbortController().signal;
  await runCloud(['completion', 'bash'], {
    env: {},
    isInteractive: false,
    print: (text) => printed.push(text),
    complain: (text) => printed.push(text),
    readInput: async () => '',
    askHidden: async () => '',
    setExitCode: () => undefined,
    stopSignals: () => ({ drain: never, abort: never }),
  });
  expect(await offered(printed.join('\n'), ['passback-cloud', 'agent', ''])).toEqual(
    expect.arrayContaining(['approve', 'revoke', 'list']),
  );
});

test('a command that is added is completed, and one that is hidden is not', async () => {
  const program = new Command('tool');
  program.command('shown').description("it's").option('--file <file>', 'one');
  program.command('secret', { hidden: true });
  const script = bashCompletion(commandTree(program));
  expect(await offered(script, ['tool', 's'])).toEqual(['shown']);
  expect(await offered(script, ['tool', 'shown', '--f'])).toEqual(['--file']);
});

test.each([
  ['zsh', '#compdef passback', /_describe command commands/],
  ['fish', '# fish completion', /complete -c passback -f -n '.*' -a doctor -d '/],
  ['powershell', '# PowerShell completion', /'config show' = @\('--config', '-c', '--json'/],
])('%s gets a script of its own', async (shell, first, words) => {
  const { out, code } = await passback(['completion', shell]);
  expect(code).toBe(0);
  expect(out.startsWith(first)).toBe(true);
  expect(out).toMatch(words);
});

test.for(['zsh', 'fish'])('%s takes it, where it is installed', async (shell, { skip }) => {
  const { out } = await passback(['completion', shell]);
  const path = await scriptFile(out);
  const checked = await run(shell, ['-n', path]).catch((error: unknown) => error);
  const isAbsent = checked instanceof Error && 'code' in checked && checked.code === 'ENOENT';
  skip(isAbsent, `${shell} is not installed`);
  expect(checked).toMatchObject({ stderr: '' });
});

test('what PowerShell gets has no error of syntax', async () => {
  const { out } = await passback(['completion', 'powershell']);
  expect(powershellErrors(out)).toEqual([]);
});

test('a shell that there is not is refused with those that there are', async () => {
  const ran = await passback(['completion', 'tcsh']);
  expect(ran.code).toBe(1);
  expect(ran.err).toContain('bash');
});
