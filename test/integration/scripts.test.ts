import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts');
/** What a person runs: neither a folder nor a module. */
const NAMES = readdirSync(SCRIPTS, { withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.name.includes('.'))
  .map(({ name }) => name);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(script: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { timeout: 5_000, ...(env !== undefined && { env }) };
    execFile(join(SCRIPTS, script), args, options, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

test.each(NAMES)('scripts/%s explains itself, wherever --help stands', async (script) => {
  for (const args of [['--help'], ['-h'], ['--whatever', '--help']]) {
    const ran = await run(script, args);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toMatch(new RegExp(`^Usage: scripts/${script}`));
  }
});

test.each<[string, string[], string]>([
  ['demo', ['--onec'], 'there is no option --onec'],
  ['demo', ['once'], 'there is no option once'],
  ['demo', ['--once=yes'], '--once takes no value'],
  ['test', ['--fats'], 'there is no option --fats'],
  ['lab', [], 'expected up or engine'],
  ['lab', ['down'], "expected up or engine, found 'down'"],
  ['lab', ['up', '--controllers', '3'], "--controllers: expected one of 1 or 2, found '3'"],
  ['lab', ['engine', '--controllers', '2'], 'there is no option --controllers'],
  ['bench', ['--resets', 'many'], "--resets: expected a whole number, found 'many'"],
  ['bench', ['--resets'], '--resets: a value is missing'],
  ['bench', ['--only', 'start', '--bundle'], '--bundle: a value is missing'],
  ['bench', ['--only', 'nothing'], '--only: expected one of through or alone'],
  ['chaos', ['--seed', '-1'], "--seed: expected a whole number, found '-1'"],
  ['chaos', ['--kills=1.5'], "--kills: expected a whole number, found '1.5'"],
  ['chaos', ['--part', '4'], '--part: expected one of 1 or 2 or 3'],
  ['chaos', ['--plan', '--frob'], 'there is no option --frob'],
  ['mutate', ['--frob'], 'there is no option --frob'],
  ['soak', ['--minutes', 'ten'], "--minutes: expected a whole number, found 'ten'"],
  ['bundle', ['--platform', 'win-arm64'], '--platform: expected one of linux-x64 or win-x64'],
  ['package', ['--format=apk'], "--format: expected one of deb or rpm, found 'apk'"],
  ['windows-packages', ['--frob'], 'there is no option --frob'],
  ['test-versions', ['--from'], '--from: a value is missing'],
  ['test-windows', ['--frob'], 'there is no option --frob'],
  ['try-package', ['--kep'], 'there is no option --kep'],
  ['try-container', ['--keep'], 'there is no option --keep'],
])(
  'scripts/%s %j ends with 2 after one sentence, and starts nothing',
  async (script, args, words) => {
    const ran = await run(script, args);
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toContain(words);
    expect(ran.err).toMatch(
      new RegExp(`^[^\\n]+ \\(scripts/${script} --help says what there is\\)\\n$`),
    );
  },
);

/** A PATH of somebody who may install nothing and has these commands of the system only, besides bash. */
async function poorPath(...commands: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  for (const name of ['bash', 'dirname', ...commands]) {
    await symlink(`/usr/bin/${name}`, join(folder.path, name));
  }
  await writeFile(join(folder.path, 'id'), '#!/bin/sh\necho 1000\n', { mode: 0o755 });
  return folder.path;
}

test.each<[string, string[], string[], string]>([
  ['package', [], [], 'dpkg-deb is missing: install it (on Debian: dpkg rpm)'],
  ['package', [], ['dpkg-deb'], 'rpmbuild is missing: install it (on Debian: dpkg rpm)'],
  ['package', ['--format=deb'], [], 'dpkg-deb is missing: install it (on Debian: dpkg)'],
  ['package', ['--format', 'rpm'], [], 'rpmbuild is missing: install it (on Debian: rpm)'],
  ['windows-packages', [], [], 'zip is missing: install it (on Debian: zip wixl msitools)'],
])(
  'scripts/%s %j names the tool that is missing, before anything is built',
  async (script, args, tools, words) => {
    const ran = await run(script, args, { PATH: await poorPath(...tools), HOME: '/nonexistent' });
    expect(ran).toEqual({ code: 1, out: '', err: `${words}, then run this again.\n` });
  },
);
