import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packageVersion } from '../src/support/version.ts';
import { builtImage } from '../test/lab/image.ts';
import { startLab } from '../test/lab/start-lab.ts';
import { createTestCa } from '../test/support/test-ca.ts';
import { Containers } from './container-trial/containers.ts';
import { proxyFiles } from './container-trial/proxies.ts';
import { ContainerTrial } from './container-trial/trial.ts';
import { Steps } from './package-trial/steps.ts';
import { makeBundle } from './packaging/bundle.ts';
import { PROGRAM_NAMES } from './packaging/programs.ts';
import { npmSbom } from './packaging/sbom.ts';
import { sourceDate } from './packaging/source-date.ts';

const root = resolve(import.meta.dirname, '../..');
const out = await mkdtemp(join(tmpdir(), 'passback-containers-'));
try {
  console.log('Making the bundles');
  const shared = { root, version: packageVersion(), epoch: sourceDate(root) };
  const sbom = await npmSbom(root);
  const bundles = join(out, 'bundles');
  for (const program of PROGRAM_NAMES) {
    await makeBundle({ ...shared, program, platform: 'linux-x64', out: bundles, sbom });
  }
  const proxyImage = await builtImage(
    'passback-lab-reverse-proxies',
    'test/lab/reverse-proxies',
    console.log,
  );
  const composeImage = await builtImage('passback-lab-compose', 'test/lab/compose', console.log);
  const certificate = await (await createTestCa()).issue(['reset.example.com']);
  const files = await proxyFiles(root, join(out, 'proxies'), certificate);
  await using lab = await startLab({ progress: console.log });
  await using containers = new Containers();
  const steps = new Steps(console.log);
  const images = { proxyImage, composeImage };
  const parts = { root, lab, containers, steps, bundles, ...images, proxyFiles: files };
  await new ContainerTrial(parts).run();
  process.exitCode = steps.failed === 0 ? 0 : 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
