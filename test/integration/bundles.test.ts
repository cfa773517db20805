import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleProblems } from '../../scripts/packaging/bundle-problems.ts';
import { compile } from '../../scripts/packaging/compile.ts';
import { onlyFor, packageOf, readLock, type Lock } from '../../scripts/packaging/lock.ts';
import { strangers } from '../../scripts/packaging/own-packages.ts';
import { PROGRAMS, SERVICE_ONLY } from '../../scripts/packaging/programs.ts';
import { CHECKSUMS, filesBelow, manifest, settle } from '../../scripts/packaging/settle.ts';

const ROOT = resolve(import.meta.dirname, '../..');

let lock: Lock;
let agent: readonly string[];
let service: readonly string[];
let folder: string;

beforeAll(async () => {
  lock = await readLock(ROOT);
  agent = await compile(ROOT, PROGRAMS.passback, undefined);
  service = await compile(ROOT, PROGRAMS['passback-cloud'], undefined);
  folder = await mkdtemp(join(tmpdir(), 'passback-bundles-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("the agent's bundle holds no source and no package of the reset service", () => {
  expect(agent).toContain('src/agent/main.ts');
  expect(strangers('passback', agent, lock)).toEqual([]);
});

test("the service's bundle holds no source of the agent", () => {
  expect(service).toContain('src/cloud/main.ts');
  expect(strangers('passback-cloud', service, lock)).toEqual([]);
});

test("what is in the reset service's bundle only would be found in the agent's", () => {
  const found = new Set(strangers('passback', service, lock).map((path) => packageOf(path) ?? ''));
  for (const name of ['hono', '@hono/node-server', 'kysely', 'libsql', 'pg', 'pg-pool']) {
    expect(found).toContain(name);
  }
});

test('what both need is nobody’s own', () => {
  const own = onlyFor(SERVICE_ONLY, lock);
  for (const name of ['jose', 'ws', 'zod', 'winston', 'convict', 'yaml', 'koffi']) {
    expect(own).not.toContain(name);
  }
});

test('every other dependency of package.json is in the bundle of the agent', () => {
  const used = new Set(agent.map(packageOf));
  const direct = Object.keys(lock['']?.dependencies ?? {});
  const unused = direct.filter((name) => !SERVICE_ONLY.includes(name) && !used.has(name));
  expect(unused).toEqual([]);
});

test('what is wrong with a finished bundle is said file by file', async () => {
  const at = join(folder, 'finished');
  await mkdir(at);
  await writeFile(join(at, 'run.js'), 'start();\n');
  await writeFile(join(at, 'sbom.cdx.json'), '{}\n');
  await settle(at, { programs: [], epoch: 1_700_000_000 });
  const check = (): Promise<readonly string[]> =>
    bundleProblems({ folder: at, traces: ['/here/we/are'], schema: () => [] });
  expect(await check()).toEqual([]);
  await writeFile(join(at, 'run.js'), '// /here/we/are\n//# sourceMappingURL=run.js.map\n');
  await writeFile(join(at, 'more.js'), '');
  expect(await check()).toEqual([
    expect.stringMatching(/^not summed: .* more\.js$/),
    expect.stringMatching(/^not summed: .* run\.js$/),
    'SHA256SUMS names other files',
    'run.js holds /here/we/are',
    'run.js names a source map',
  ]);
});

test('a bundle is the same whenever and in whatever order its files were written', async () => {
  const names = ['b.js', 'a.js', 'lib/Z', 'lib/a', 'run'];
  const write = async (into: string, order: readonly string[]): Promise<readonly string[]> => {
    const at = join(folder, into);
    await mkdir(join(at, 'lib'), { recursive: true });
    for (const name of order)
      await writeFile(join(at, name), `content of ${name}`, { mode: 0o640 });
    await settle(at, { programs: ['run'], epoch: 1_700_000_000 });
    return manifest(at);
  };
  const first = await write('first', names);
  expect(await write('second', names.toReversed())).toEqual(first);
  expect(first).toHaveLength(names.length + 1);
  expect(first.every((line) => line.includes(' 1700000000000 '))).toBe(true);
  expect(first.filter((line) => line.startsWith('100755'))).toHaveLength(1);
  expect(await filesBelow(join(folder, 'first'))).toEqual([
    CHECKSUMS,
    'a.js',
    'b.js',
    'lib/Z',
    'lib/a',
    'run',
  ]);
});
