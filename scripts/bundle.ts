import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { optionsOf } from './lib/options.ts';
import { makeBundle, type BundleWish } from './packaging/bundle.ts';
import { PLATFORMS, PROGRAM_NAMES, PROGRAMS } from './packaging/programs.ts';
import { npmSbom } from './packaging/sbom.ts';
import { manifest } from './packaging/settle.ts';

/** Builds once more elsewhere; resolves with whether both are the same, and says what is not. */
async function isReproducible(wish: BundleWish, folder: string): Promise<boolean> {
  const out = await mkdtemp(join(tmpdir(), 'passback-bundle-'));
  try {
    const [first, second] = [
      await manifest(folder),
      await manifest(await makeBundle({ ...wish, out })),
    ];
    const seen = new Set(first);
    const different = second.filter((line) => !seen.has(line));
    for (const line of different) console.log(`  differs: ${line}`);
    return different.length === 0 && first.length === second.length;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** When everything in a bundle was made: as the environment says, else with the last commit. */
function sourceDate(root: string): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  const text =
    given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const epoch = Number(text);
  if (!Number.isSafeInteger(epoch) || epoch <= 0) throw new Error('SOURCE_DATE_EPOCH is no number');
  return epoch;
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
  if (!values.check) continue;
  const same = await isReproducible(wish, folder);
  console.log(same ? '  built twice: the same, byte for byte' : '  built twice: NOT the same');
  if (!same) process.exitCode = 1;
}
