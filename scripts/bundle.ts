import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { optionsOf } from './lib/options.ts';
import { withPrivateFiles } from './lib/private-files.ts';
import { bundleProblems } from './packaging/bundle-problems.ts';
import { makeBundle, type BundleWish } from './packaging/bundle.ts';
import { PLATFORMS, PROGRAM_NAMES, PROGRAMS } from './packaging/programs.ts';
import { sbomSchema } from './packaging/sbom-schema.ts';
import { npmSbom } from './packaging/sbom.ts';
import { manifest } from './packaging/settle.ts';
import { sourceDate } from './packaging/source-date.ts';

/** Builds once more, elsewhere and with another umask; resolves with whether both are the same, and says what is not. */
async function isReproducible(wish: BundleWish, folder: string): Promise<boolean> {
  const out = await mkdtemp(join(tmpdir(), 'passback-bundle-'));
  try {
    const [first, second] = [
      await manifest(folder),
      await manifest(await withPrivateFiles(() => makeBundle({ ...wish, out }))),
    ];
    const seen = new Set(first);
    const different = second.filter((line) => !seen.has(line));
    for (const line of different) console.log(`  differs: ${line}`);
    return different.length === 0 && first.length === second.length;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** Paths and hosts of this machine; short ones, such as /root, are words of others, too. */
function tracesOfThisMachine(): readonly string[] {
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { cwd: root });
  const { host } = new URL(registry.toString().trim());
  const own = hostname() === 'localhost' ? [] : [hostname()];
  const names = [root, homedir(), ...own, ...(host === 'registry.npmjs.org' ? [] : [host])];
  return names.filter((name) => name.length > 7);
}

const values = optionsOf('scripts/bundle', {
  program: { takes: 'choice', of: PROGRAM_NAMES },
  platform: { takes: 'choice', of: PLATFORMS },
  out: { takes: 'text', default: 'dist/bundles' },
  check: { takes: 'nothing' },
});
const root = resolve(import.meta.dirname, '../..');
const shared = {
  root,
  out: resolve(values.out),
  version: packageVersion(),
  epoch: sourceDate(root),
  sbom: await npmSbom(root),
};
const schema = values.check ? await sbomSchema() : undefined;
const wanted = PROGRAM_NAMES.flatMap((program) =>
  PLATFORMS.filter((platform) => PROGRAMS[program].platforms[platform] !== undefined)
    .filter((platform) => (values.platform ?? platform) === platform)
    .map((platform) => ({ program, platform })),
).filter(({ program }) => (values.program ?? program) === program);
if (wanted.length === 0) {
  console.error(
    `There is no ${values.program ?? 'program'} for ${values.platform ?? 'any platform'}`,
  );
  process.exitCode = 2;
}
for (const one of wanted) {
  const wish = { ...shared, ...one };
  const folder = await makeBundle(wish);
  console.log(folder);
  if (schema === undefined) continue;
  const problems = await bundleProblems({ folder, schema, traces: tracesOfThisMachine() });
  for (const problem of problems) console.log(`  ${problem}`);
  if (problems.length === 0) {
    console.log('  checksums hold, its SBOM is valid CycloneDX 1.5, no trace of this machine');
  } else {
    process.exitCode = 1;
  }
  const same = await isReproducible(wish, folder);
  console.log(same ? '  built twice: the same, byte for byte' : '  built twice: NOT the same');
  if (!same) process.exitCode = 1;
}
