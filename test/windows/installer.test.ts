import { copyFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { withPrivateFiles } from '../../scripts/lib/private-files.ts';
import { sha256Of } from '../../scripts/packaging/settle.ts';
import { packageVersion } from '../../src/support/version.ts';
import { repositoryRoot } from '../lab/image.ts';
import { startWindows, type WindowsLab } from '../lab/windows.ts';
import { windowsBundle } from '../lab/windows-bundle.ts';

const run = promisify(execFile);
const PROGRAM = '/wine/drive_c/Program Files/Passback';
const DATA = '/wine/drive_c/ProgramData/Passback';

/** Of what an upgrade installs, which has the same bundle in it. */
const NEWER = '99.0.0';

/** What makes it, on Linux. */
const hasWixl = await run('wixl', ['--version']).then(
  () => true,
  () => false, // scripts/test-windows installs it where it may
);

let folder: string;
let bundle: string;
let windows: WindowsLab;

beforeAll(async () => {
  if (!hasWixl) return;
  folder = await mkdtemp(join(tmpdir(), 'passback-installer-'));
  const exchange = join(folder, 'exchange');
  const nothing = join(folder, 'nothing');
  for (const path of [exchange, nothing]) await mkdir(path);
  bundle = await windowsBundle(folder);
  for (const version of [packageVersion(), NEWER]) await pack(folder, version);
  // Beside what is downloaded; it rejects when one does not match.
  const { stdout } = await run('sha256sum', ['--strict', '--check', 'SHA256SUMS'], { cwd: folder });
  expect(stdout).toMatch(/win-x64\.msi: OK\n[^]*win-x64\.zip: OK\n/);
  for (const [version, as] of [
    [packageVersion(), 'passback.msi'],
    [NEWER, 'newer.msi'],
  ] as const) {
    await copyFile(join(folder, `passback-${version}-win-x64.msi`), join(exchange, as));
  }
  windows = await startWindows({ program: nothing, exchange });
}, 300_000);

afterAll(async () => {
  if (!hasWixl) return;
  await windows[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Makes zip and MSI of the bundle that is in the folder. */
async function pack(into: string, version: string): Promise<void> {
  const script = join(repositoryRoot(), 'dist/scripts/windows-packages.js');
  const wish = ['--out', into, '--as', version];
  await run(process.execPath, [script, ...wish], { cwd: repositoryRoot() });
}

async function msiexec(
  what: '/i' | '/x',
  file = 'passback.msi',
  ...properties: readonly string[]
): Promise<void> {
  const args = [what, `X:\\${file}`, '/qn', ...properties];
  const { code } = await windows.run(['msiexec.exe', ...args]);
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

/** As Windows lists them among its programs. */
async function installedVersions(): Promise<readonly string[]> {
  const key = 'HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall';
  const { stdout } = await windows.run(['reg.exe', 'query', key, '/s']);
  const programs = stdout.split(/^(?=HKEY_)/m).filter((each) => each.includes('Passback agent'));
  return programs.map((each) => /DisplayVersion\s+REG_SZ\s+(\S+)/.exec(each)?.[1] ?? each);
}

test.skipIf(!hasWixl)(
  'made again elsewhere, later, in another time zone and with another umask, zip and MSI are the same, byte for byte',
  { timeout: 180_000 },
  async () => {
    const again = join(folder, 'another', 'place');
    const copy = join(again, basename(bundle));
    await cp(bundle, copy, { recursive: true, preserveTimestamps: true });
    vi.stubEnv('TZ', 'Pacific/Auckland');
    await withPrivateFiles(() => pack(again, packageVersion()));
    for (const kind of ['zip', 'msi']) {
      const name = `passback-${packageVersion()}-win-x64.${kind}`;
      expect([kind, await sha256Of(join(again, name))]).toEqual([
        kind,
        await sha256Of(join(folder, name)),
      ]);
    }
  },
);

test.skipIf(!hasWixl)(
  'the MSI puts the program and its service there, and takes both away again',
  { timeout: 180_000 },
  async () => {
    // Another folder may be anybody's to write to: who has to have one takes the zip, whose script closes it.
    const elsewhere = ['INSTALLDIR', 'InstallDir'];
    await msiexec('/i', 'passback.msi', ...elsewhere.map((name) => `${name}=C:\\Elsewhere`));
    expect(await windows.sh(`ls /wine/drive_c`)).not.toContain('Elsewhere');
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

test.skipIf(!hasWixl)(
  'a newer MSI takes the place of the older one, and a service that an admin had stopped stays so',
  { timeout: 240_000 },
  async () => {
    await msiexec('/i');
    await windows.sh(`echo mine > ${DATA}/passback.yaml`);
    await msiexec('/i', 'newer.msi');
    expect(await windows.sh(`cd '${PROGRAM}' && sha256sum --quiet --check SHA256SUMS`)).toBe('');
    expect(await windows.sh(`ls '${PROGRAM}/ran' 2>/dev/null || true`)).toBe('');
    expect(await service()).toMatchObject({ installed: true, state: 'stopped' });
    expect(await windows.sh(`cat ${DATA}/passback.yaml`)).toBe('mine');
    expect(await installedVersions()).toEqual([NEWER]);

    await msiexec('/x', 'newer.msi');
    expect(await isRegistered()).toBe(false);
    expect(await installedVersions()).toEqual([]);
  },
);
