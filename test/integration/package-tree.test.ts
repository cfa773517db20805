import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { withPrivateFiles } from '../../scripts/lib/private-files.ts';
import {
  completionFiles,
  CONFIGURATION,
  layOut,
  packageScript,
  type Family,
} from '../../scripts/packaging/linux-tree.ts';
import { PROGRAM_NAMES, PROGRAMS, type ProgramName } from '../../scripts/packaging/programs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '..', '..');

/** Resolves with the files of a package of a bundle that holds little but its example, 'a: 1'. */
async function treeOf(program: ProgramName, family: Family): Promise<string> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const [bundle, tree] = [join(folder.path, 'bundle'), join(folder.path, 'tree')];
  await mkdir(bundle);
  await writeFile(join(bundle, program), '#!/bin/sh\necho "$*"\n', { mode: 0o755 });
  await writeFile(join(bundle, basename(PROGRAMS[program].exampleConfig)), 'a: 1\n');
  await withPrivateFiles(() => layOut({ root: ROOT, program, bundle, family }, tree));
  return tree;
}

test.each(
  PROGRAM_NAMES.flatMap((program) => [[program, 'deb'] as const, [program, 'rpm'] as const]),
)(
  'the package of %s as %s brings the completion that its program prints, where each shell looks',
  async (program, family) => {
    const tree = await treeOf(program, family);
    for (const [shell, path] of Object.entries(completionFiles(program, family))) {
      expect(await readFile(join(tree, path), 'utf8')).toBe(`completion ${shell}\n`);
      expect((await stat(join(tree, path))).mode & 0o777).toBe(0o644);
    }
  },
);

test('zsh of Debian and of the RPM families look at different places', () => {
  expect(completionFiles('passback', 'deb')).toEqual({
    bash: '/usr/share/bash-completion/completions/passback',
    zsh: '/usr/share/zsh/vendor-completions/_passback',
    fish: '/usr/share/fish/vendor_completions.d/passback.fish',
  });
  expect(completionFiles('passback-cloud', 'rpm').zsh).toBe(
    '/usr/share/zsh/site-functions/_passback-cloud',
  );
});

test('an RPM brings the configuration, a .deb only what it is made from', async () => {
  const [path = ''] = CONFIGURATION.passback;
  const rpm = await treeOf('passback', 'rpm');
  expect(await readFile(join(rpm, path), 'utf8')).toBe('a: 1\n');
  const deb = await treeOf('passback', 'deb');
  await expect(access(join(deb, 'etc'))).rejects.toThrow('ENOENT');
  const example = '/usr/lib/passback/passback.example.yaml';
  expect(await readFile(join(deb, example), 'utf8')).toBe('a: 1\n');
});

test('the .deb makes the configuration where there is none, and changes none', async () => {
  const deb = await treeOf('passback', 'deb');
  const [path = ''] = CONFIGURATION.passback;
  const script = await packageScript(ROOT, 'passback', 'deb-postinst');
  // Only the loop over the files, below a folder of the test's.
  const loop = /^ {2}for file in [^]*?^ {2}done$/m.exec(script)?.[0] ?? '';
  const here = loop.replaceAll(path, join(deb, path)).replace('"/usr/', `"${deb}/usr/`);
  const configure = (): Promise<unknown> =>
    withPrivateFiles(() => run('sh', ['-euc', `name=passback\n${here}`]));
  await configure();
  expect(await readFile(join(deb, path), 'utf8')).toBe('a: 1\n');
  expect((await stat(join(deb, path))).mode & 0o777).toBe(0o644);
  await writeFile(join(deb, path), 'a: 2\n');
  await configure();
  expect(await readFile(join(deb, path), 'utf8')).toBe('a: 2\n');
  expect(await readdir(dirname(join(deb, path)))).toEqual([basename(path)]);
  expect(await packageScript(ROOT, 'passback-cloud', 'deb-postinst')).toContain('for file in ;');
});
