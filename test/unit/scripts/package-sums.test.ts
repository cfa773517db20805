import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { sumPackages } from '../../../scripts/packaging/settle.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const run = promisify(execFile);

test('the sums beside packages are of all of them and nothing else, as sha256sum takes them', async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  for (const name of ['b.rpm', 'a.deb', 'd.zip', 'c.msi', 'notes.txt']) {
    await writeFile(join(folder.path, name), name);
  }
  await mkdir(join(folder.path, 'a-bundle'));
  const check = ['--strict', '--check', await sumPackages(folder.path)];
  const { stdout } = await run('sha256sum', check, { cwd: folder.path });
  expect(stdout).toBe('a.deb: OK\nb.rpm: OK\nc.msi: OK\nd.zip: OK\n');
  await writeFile(join(folder.path, 'c.msi'), 'torn');
  await expect(run('sha256sum', check, { cwd: folder.path })).rejects.toMatchObject({
    stdout: expect.stringContaining('c.msi: FAILED') as unknown,
  });
});
