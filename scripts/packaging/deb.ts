import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  layOut,
  linuxVersion,
  PACKAGE_TEXTS,
  packageScript,
  SYSTEMD,
  writeWithMode,
} from './linux-tree.ts';
import type { ProgramName } from './programs.ts';
import { settleTimes } from './settle.ts';

const run = promisify(execFile);

export interface PackageWish {
  readonly root: string;
  readonly program: ProgramName;
  /** The folder that `makeBundle` made. */
  readonly bundle: string;
  readonly version: string;
  readonly epoch: number;
  readonly out: string;
  /** For packages that live for minutes only: little compression. */
  readonly isForTrial?: boolean;
}

/** What the stock Node.js asks of a machine. */
const DEPENDS = 'libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 8), passwd';

/** Makes a Debian package and resolves with its path. */
export async function makeDeb(wish: PackageWish): Promise<string> {
  const { root, program, version, epoch, out, isForTrial = false } = wish;
  const tree = await mkdtemp(join(tmpdir(), 'passback-deb-'));
  try {
    await layOut({ ...wish, family: 'deb' }, tree);
    await mkdir(join(tree, 'DEBIAN'));
    await writeWithMode(join(tree, 'DEBIAN/control'), control(program, version), 0o644);
    for (const name of ['postinst', 'prerm', 'postrm']) {
      const text = await packageScript(root, program, `deb-${name}`);
      await writeWithMode(join(tree, 'DEBIAN', name), text, 0o755);
    }
    await settleTimes(tree, epoch);
    const path = join(out, `${program}_${linuxVersion(version)}_amd64.deb`);
    await mkdir(out, { recursive: true });
    await run(
      'dpkg-deb',
      ['--root-owner-group', '-Zzstd', isForTrial ? '-z1' : '-z10', '--build', tree, path],
      { env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) } },
    );
    return path;
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

function control(program: ProgramName, version: string): string {
  const { summary, description } = PACKAGE_TEXTS[program];
  return [
    `Package: ${program}`,
    `Version: ${linuxVersion(version)}`,
    'Architecture: amd64',
    'Section: admin',
    'Priority: optional',
    `Depends: ${DEPENDS}`,
    `Breaks: systemd (<< ${SYSTEMD})`,
    'Recommends: ca-certificates',
    'Maintainer: The Passback maintainers <maintainers@passback.invalid>',
    `Description: ${summary}`,
    ` ${description}`,
    '',
  ].join('\n');
}
