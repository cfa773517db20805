import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { withPrivateFiles } from '../../scripts/lib/private-files.ts';
import { completionFiles, layOut } from '../../scripts/packaging/linux-tree.ts';
import { PROGRAM_NAMES } from '../../scripts/packaging/programs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test.each(
  PROGRAM_NAMES.flatMap((program) => [[program, 'deb'] as const, [program, 'rpm'] as const]),
)(
  'the package of %s as %s brings the completion that its program prints, where each shell looks',
  async (program, family) => {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const [bundle, tree] = [join(folder.path, 'bundle'), join(folder.path, 'tree')];
    await mkdir(bundle);
    await writeFile(join(bundle, program), '#!/bin/sh\necho "$*"\n', { mode: 0o755 });
    await withPrivateFiles(() => layOut({ root: ROOT, program, bundle, family }, tree));
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
