import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { BootedSystem } from '../test/lab/booted-system.ts';
import { startLab } from '../test/lab/start-lab.ts';
import { optionsOf } from './lib/options.ts';
import { withPrivateFiles } from './lib/private-files.ts';
import type { Packages } from './package-trial/machine.ts';
import { tryTexts } from './package-trial/by-the-text/trial.ts';
import { expect, Steps } from './package-trial/steps.ts';
import { tryPackages } from './package-trial/trial.ts';
import { makeBundle } from './packaging/bundle.ts';
import { makeDeb, type PackageWish } from './packaging/deb.ts';
import { PROGRAMS, type ProgramName } from './packaging/programs.ts';
import { makeRpm } from './packaging/rpm.ts';
import { npmSbom } from './packaging/sbom.ts';
import { sha256Of, sumPackages } from './packaging/settle.ts';
import { sourceDate } from './packaging/source-date.ts';

const values = optionsOf('scripts/try-package', { keep: { takes: 'nothing' } });
const root = resolve(import.meta.dirname, '../..');
const version = packageVersion();
const newerVersion = `${version}+trial`;
const out = await mkdtemp(join(tmpdir(), 'passback-trial-'));

interface Made {
  readonly deb: string;
  readonly rpm: string;
  readonly wish: PackageWish;
}

async function makePackages(): Promise<Readonly<Record<keyof Packages, Made>>> {
  const [epoch, sbom] = [sourceDate(root), await npmSbom(root)];
  const make = async (program: ProgramName, as: string): Promise<Made> => {
    const from = { root, program, epoch, version: as };
    const bundle = await makeBundle({ ...from, platform: 'linux-x64', out, sbom });
    // As in a release: another example than the one that was installed and filled in.
    const example = join(bundle, basename(PROGRAMS[program].exampleConfig));
    if (as === newerVersion) await appendFile(example, `# As of ${as}.\n`);
    const wish = { ...from, bundle, out, isForTrial: true };
    return { deb: await makeDeb(wish), rpm: await makeRpm(wish), wish };
  };
  return {
    agent: await make('passback', version),
    newerAgent: await make('passback', newerVersion),
    service: await make('passback-cloud', version),
    newerService: await make('passback-cloud', newerVersion),
  };
}

/** Rejects when a package that is made once more, elsewhere and with another umask, is not the same. */
async function packAgain({ deb, rpm, wish }: Made): Promise<void> {
  const again = { ...wish, out: join(out, 'again') };
  for (const [first, make] of [
    [deb, makeDeb],
    [rpm, makeRpm],
  ] as const) {
    const second = await withPrivateFiles(() => make(again));
    expect(await sha256Of(second), await sha256Of(first), basename(first));
  }
}

async function trial(): Promise<boolean> {
  const steps = new Steps(console.log);
  console.log('Making the packages');
  const made = await makePackages();
  // Of these the bundles are still there.
  await steps.step('made again, they are the same, byte for byte', async () => {
    for (const one of [made.newerAgent, made.newerService]) await packAgain(one);
  });
  await using lab = await startLab({ progress: console.log });
  console.log('Booting a clean Debian');
  const system = await BootedSystem.boot(lab.network, console.log);
  const inside = async (path: string): Promise<string> => {
    await system.copy(path, `/root/${basename(path)}`);
    return `/root/${basename(path)}`;
  };
  try {
    const all = async (format: 'deb' | 'rpm'): Promise<Packages> => ({
      agent: await inside(made.agent[format]),
      newerAgent: await inside(made.newerAgent[format]),
      service: await inside(made.service[format]),
      newerService: await inside(made.newerService[format]),
    });
    const [debs, rpms] = [await all('deb'), await all('rpm')];
    const sums = await inside(await sumPackages(out));
    await tryPackages({ sums, lab, system, steps, debs, rpms, newerVersion });
  } finally {
    if (!values.keep || steps.failed === 0) await system[Symbol.asyncDispose]();
  }
  const debs = { agent: made.agent.deb, service: made.service.deb };
  await tryTexts({ root, lab, steps, progress: console.log, debs });
  return steps.failed === 0;
}

try {
  process.exitCode = (await trial()) ? 0 : 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
