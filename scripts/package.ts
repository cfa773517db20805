import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { optionsOf } from './lib/options.ts';
import { makeBundle } from './packaging/bundle.ts';
import { makeDeb } from './packaging/deb.ts';
import { PROGRAM_NAMES } from './packaging/programs.ts';
import { makeRpm } from './packaging/rpm.ts';
import { npmSbom } from './packaging/sbom.ts';
import { sumPackages } from './packaging/settle.ts';
import { sourceDate } from './packaging/source-date.ts';

const values = optionsOf('scripts/package', {
  format: { takes: 'choice', of: ['deb', 'rpm'] },
  program: { takes: 'choice', of: PROGRAM_NAMES },
  out: { takes: 'text', default: 'dist/packages' },
  'package-version': { takes: 'text', default: packageVersion() },
});
const root = resolve(import.meta.dirname, '../..');
const epoch = sourceDate(root);
const sbom = await npmSbom(root);
const made = await mkdtemp(join(tmpdir(), 'passback-package-'));
try {
  for (const program of PROGRAM_NAMES) {
    if ((values.program ?? program) !== program) continue;
    const version = values['package-version'];
    const from = { root, program, epoch, version };
    const bundle = await makeBundle({ ...from, platform: 'linux-x64', out: made, sbom });
    const wish = { ...from, bundle, out: resolve(values.out) };
    if (values.format !== 'rpm') console.log(await makeDeb(wish));
    if (values.format !== 'deb') console.log(await makeRpm(wish));
  }
  console.log(await sumPackages(resolve(values.out)));
} finally {
  await rm(made, { recursive: true, force: true });
}
