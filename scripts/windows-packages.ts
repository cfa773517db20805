import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { optionsOf } from './lib/options.ts';
import { fileId, guidOf, installerFiles } from './packaging/installer-files.ts';
import { CHECKSUMS, filesBelow, sumPackages } from './packaging/settle.ts';
import { sourceDate } from './packaging/source-date.ts';

// Makes the zip and the MSI of a bundle that is there already; the same bundle gives the same bytes.
const values = optionsOf('scripts/windows-packages', {
  out: { takes: 'text', default: 'dist/bundles' },
  // What an upgrade is tried with: the same bundle as a later version.
  as: { takes: 'text', default: packageVersion() },
});
const out = resolve(values.out);
const bundle = join(out, 'passback-win-x64');
const version = values.as;
const name = `passback-${version}-win-x64`;
const files = await filesBelow(bundle);
// zip and msibuild take a time for one of the place where they run.
const env = { ...process.env, TZ: 'UTC' };

const zip = join(out, `${name}.zip`);
rmSync(zip, { force: true });
// Without the owner's numbers: the same bundle makes the same archive.
execFileSync('zip', ['-q', '-X', '-9', zip, ...files.map((file) => join(basename(bundle), file))], {
  cwd: out,
  env,
});
console.log(zip);

const msi = join(out, `${name}.msi`);
const folder = mkdtempSync(join(tmpdir(), 'passback-msi-'));
try {
  const list = join(folder, 'files.wxs');
  writeFileSync(list, installerFiles(files));
  const root = resolve(import.meta.dirname, '../..');
  // Other content is another product to Windows Installer, the same content the same.
  const content = `${version} ${readFileSync(join(bundle, CHECKSUMS), 'utf8')}`;
  const variables = {
    ...{ Version: version, Source: basename(bundle), NodeFile: fileId('node.exe') },
    ProductCode: guidOf(`product ${content}`),
  };
  const defined = Object.entries(variables).flatMap(([key, value]) => ['-D', `${key}=${value}`]);
  const description = join(root, 'service/windows/passback.wxs');
  execFileSync('wixl', ['--arch', 'x64', ...defined, '-o', msi, description, list], {
    cwd: out, // it takes no absolute path for a source
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  // wixl puts it where Windows Installer refuses it (error 2613): the version before goes first.
  const first =
    "UPDATE `InstallExecuteSequence` SET `Sequence` = 1501 WHERE `Action` = 'RemoveExistingProducts'";
  const summary = join(folder, '_SummaryInformation.idt');
  writeFileSync(summary, settledSummary(msi, guidOf(`package ${content}`), sourceDate(root)));
  execFileSync('msibuild', [msi, '-q', first, '-i', summary], { env });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(msi);
console.log(await sumPackages(out));

/** What the file says of itself, with a code and times (properties 9, 12 and 13) that are not made up anew. */
function settledSummary(file: string, code: string, epoch: number): string {
  const time = new Date(epoch * 1000)
    .toISOString()
    .replace('T', ' ')
    .replaceAll('-', '/')
    .slice(0, 19);
  return execFileSync('msiinfo', ['export', file, '_SummaryInformation'], { encoding: 'utf8' })
    .replace(/^(9\t).*?(\r?)$/m, `$1{${code}}$2`)
    .replaceAll(/^(1[23]\t).*?(\r?)$/gm, `$1${time}$2`);
}
