import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PackageWish } from './deb.ts';
import {
  completionFiles,
  CONFIGURATION,
  layOut,
  linuxVersion,
  PACKAGE_TEXTS,
  SYSTEMD,
} from './linux-tree.ts';
import { settleTimes } from './settle.ts';

const run = promisify(execFile);

/** Makes an RPM package and resolves with its path. */
export async function makeRpm(wish: PackageWish): Promise<string> {
  const { program, epoch, out } = wish;
  const top = await mkdtemp(join(tmpdir(), 'passback-rpm-'));
  try {
    const tree = join(top, 'tree');
    await layOut({ ...wish, family: 'rpm' }, tree);
    await settleTimes(tree, epoch);
    const spec = join(top, `${program}.spec`);
    await writeFile(spec, await specText(wish, tree));
    const define = (name: string, value: string): string[] => ['--define', `${name} ${value}`];
    await run(
      'rpmbuild',
      [
        ...['-bb', '--target', 'x86_64', ...define('_topdir', top)],
        ...define('_buildhost', 'passback'),
        ...define('use_source_date_epoch_as_buildtime', '1'),
        ...define('clamp_mtime_to_source_date_epoch', '1'),
        spec,
      ],
      { env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) } },
    );
    const built = join(top, 'RPMS/x86_64');
    const [file] = await readdir(built);
    if (file === undefined) throw new Error('rpmbuild made nothing');
    await mkdir(out, { recursive: true });
    await copyFile(join(built, file), join(out, file));
    return join(out, file);
  } finally {
    await rm(top, { recursive: true, force: true });
  }
}

async function specText(
  { root, program, version, isForTrial = false }: PackageWish,
  tree: string,
): Promise<string> {
  const { summary, description } = PACKAGE_TEXTS[program];
  const afterInstall = await readFile(join(root, 'service/linux/after-install.sh'), 'utf8');
  const owned = [
    `/usr/lib/${program}`,
    `/usr/bin/${program}`,
    `/usr/lib/systemd/system/${program}.service`,
    `%doc /usr/share/doc/${program}`,
    ...Object.values(completionFiles(program, 'rpm')),
    ...CONFIGURATION[program].map((path) => `%config(noreplace) ${path}`),
  ];
  return [
    `Name: ${program}`,
    `Version: ${linuxVersion(version)}`,
    'Release: 1',
    `Summary: ${summary}`,
    'License: Apache-2.0',
    'AutoReqProv: no',
    'Requires: glibc >= 2.28, libgcc, libstdc++',
    'Requires(post): shadow-utils',
    `Conflicts: systemd < ${SYSTEMD}`,
    // Node.js is taken as it comes: neither stripped nor looked into.
    '%define __os_install_post %{nil}',
    '%define debug_package %{nil}',
    '%define _build_id_links none',
    `%define _binary_payload ${isForTrial ? 'w1' : 'w10'}.zstdio`,
    `%description\n${description}`,
    `%install\ncp -a ${tree}/. %{buildroot}/`,
    `%files\n%defattr(-,root,root,-)\n${owned.join('\n')}`,
    `%post\nname=${program}\n${afterInstall}${AFTER}`,
    `%preun\n${STOP.replaceAll('@NAME@', program)}`,
    `%postun\n[ ! -d /run/systemd/system ] || systemctl daemon-reload`,
    '',
  ].join('\n');
}

/** `$1` is how many versions are installed afterwards: 1 is the first installation, 2 an upgrade. */
const AFTER = `if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  [ "$1" -lt 2 ] || systemctl try-restart "$name.service" || echo "$name: see systemctl status $name" >&2
fi`;

const STOP = `if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
  systemctl --quiet disable --now @NAME@.service || true
fi`;
