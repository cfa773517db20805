import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageVersion } from '../../src/support/version.ts';
import { repositoryRoot } from '../lab/image.ts';
import { startWindows, type WindowsLab } from '../lab/windows.ts';
import { windowsBundle } from '../lab/windows-bundle.ts';

const run = promisify(execFile);
const PROGRAM = '/wine/drive_c/Program Files/Passback';
const DATA = '/wine/drive_c/ProgramData/Passback';

/** What makes it, on Linux. */
const hasWixl = await run('wixl', ['--version']).then(
  () => true,
  () => false, // scripts/test-windows installs it where it may
);

let folder: string;
let windows: WindowsLab;

beforeAll(async () => {
  if (!hasWixl) return;
  folder = await mkdtemp(join(tmpdir(), 'passback-installer-'));
  const exchange = join(folder, 'exchange');
  const nothing = join(folder, 'nothing');
  for (const path of [exchange, nothing]) await mkdir(path);
  await windowsBundle(folder);
  const script = join(repositoryRoot(), 'dist/scripts/windows-packages.js');
  await run(process.execPath, [script, '--out', folder], { cwd: repositoryRoot() });
  // Beside what is downloaded; it rejects when one does not match.
  const { stdout } = await run('sha256sum', ['--strict', '--check', 'SHA256SUMS'], { cwd: folder });
  expect(stdout).toMatch(/win-x64\.msi: OK\n[^]*win-x64\.zip: OK\n/);
  await copyFile(
    join(folder, `passback-${packageVersion()}-win-x64.msi`),
    join(exchange, 'passback.msi'),
  );
  windows = await startWindows({ program: nothing, exchange });
}, 240_000);

afterAll(async () => {
  if (!hasWixl) return;
  await windows[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function msiexec(what: '/i' | '/x'): Promise<void> {
  const { code } = await windows.run(['msiexec.exe', what, 'X:\\passback.msi', '/qn']);
  expect(code).toBe(0);
}

async function service(): Promise<unknown> {
  const node = 'C:\\Program Files\\Passback\\node.exe';
  const args = ['C:\\Program Files\\Passback\\passback.js', 'service', 'status', '--json'];
  return JSON.parse((await windows.run([node, ...args])).stdout) as unknown;
}

/** As the service control manager keeps it. */
async function isRegistered(): Promise<boolean> {
  const key = 'HKLM\\System\\CurrentControlSet\\Services\\passback';
  return (await windows.run(['reg.exe', 'query', key])).code === 0;
}

test.skipIf(!hasWixl)(
  'the MSI puts the program and its service there, and takes both away again',
  { timeout: 180_000 },
  async () => {
    await msiexec('/i');
    expect(await windows.sh(`cd '${PROGRAM}' && sha256sum --quiet --check SHA256SUMS`)).toBe('');
    const texts = `cd '${PROGRAM}' && cat README.md OPERATING.md DELEGATION.md`;
    const links = [...(await windows.sh(texts)).matchAll(/\]\(([^)#:]+)/g)].map(([, to]) => to);
    expect(links).toContain('OPERATING.md');
    for (const to of links) await windows.sh(`ls -d '${PROGRAM}/${to}'`);
    expect(await service()).toMatchObject({ installed: true, state: 'stopped' });
    expect(await isRegistered()).toBe(true);
    await windows.sh(`echo mine > ${DATA}/passback.yaml`);

    await msiexec('/x');
    expect(await windows.sh(`ls '${PROGRAM}' 2>/dev/null || true`)).toBe('');
    expect(await isRegistered()).toBe(false);
    expect(await windows.sh(`cat ${DATA}/passback.yaml`)).toBe('mine');
  },
);
