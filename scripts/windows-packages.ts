import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { optionsOf } from './lib/options.ts';
import { fileId, installerFiles } from './packaging/installer-files.ts';
import { filesBelow } from './packaging/settle.ts';

// Makes the zip and the MSI of a bundle that is there already.
const values = optionsOf('scripts/windows-packages', {
  out: { takes: 'text', default: 'dist/bundles' },
});
const out = resolve(values.out);
const bundle = join(out, 'passback-win-x64');
const version = packageVersion();
const name = `passback-${version}-win-x64`;
const files = await filesBelow(bundle);

const zip = join(out, `${name}.zip`);
rmSync(zip, { force: true });
// Without the owner's numbers, and with the times in UTC: the same bundle makes the same archive.
execFileSync('zip', ['-q', '-X', '-9', zip, ...files.map((file) => join(basename(bundle), file))], {
  cwd: out,
  env: { ...process.env, TZ: 'UTC' },
});
console.log(zip);

const msi = join(out, `${name}.msi`);
const folder = mkdtempSync(join(tmpdir(), 'passback-msi-'));
try {
  const list = join(folder, 'files.wxs');
  writeFileSync(list, installerFiles(files));
  const root = resolve(import.meta.dirname, '../..');
  const variables = { Version: version, Source: basename(bundle), NodeFile: fileId('node.exe') };
  const defined = Object.entries(variables).flatMap(([key, value]) => ['-D', `${key}=${value}`]);
  const description = join(root, 'service/windows/passback.wxs');
  execFileSync('wixl', ['--arch', 'x64', ...defined, '-o', msi, description, list], {
    cwd: out, // it takes no absolute path for a source
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // wixl puts it where Windows Installer refuses it (error 2613): the version before goes first.
  const first =
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1501 WHERE `Action` = 'RemoveExistingProducts'";
  execFileSync('msibuild', [msi, '-q', first]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(msi);
