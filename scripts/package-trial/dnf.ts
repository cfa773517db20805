import type { BootedSystem } from '../../test/lab/booted-system.ts';
import { expect } from './steps.ts';

/** Without a repository: it knows what it is given and what is installed. */
export const DNF = 'dnf --assumeyes --setopt=reposdir=/nowhere --releasever=9';

/** Rejects unless dnf refuses these RPMs and says why: what they need is not there, then it is too old. */
export async function refuses(system: BootedSystem, rpms: string): Promise<void> {
  const words = async (expected: readonly string[]): Promise<void> => {
    const { exitCode, output } = await system.try(`${DNF} install ${rpms}`);
    expect(String(exitCode), '1', output);
    for (const one of expected) if (!output.includes(one)) throw new Error(`no ${one}:\n${output}`);
  };
  await words(['glibc >= 2.28', 'libgcc', 'libstdc++', 'shadow-utils']);
  await standIn(system, { glibc: '2.27', systemd: '250' });
  await words(['glibc >= 2.28']);
  await standIn(system, { glibc: '2.28', systemd: '249' });
  await words(['systemd < 250']);
  await standIn(system, { glibc: '2.28', systemd: '250' });
}

/** Debian has all that the RPMs need, under names of its own: an empty RPM bears the names that they know. */
async function standIn(
  system: BootedSystem,
  { glibc, systemd }: { readonly glibc: string; readonly systemd: string },
): Promise<void> {
  const spec = [
    'Name: stand-in',
    'Version: 1',
    'Release: 1',
    'Summary: What other distributions have',
    'License: none',
    'BuildArch: noarch',
    `Provides: glibc = ${glibc}, systemd = ${systemd}, libgcc, libstdc++, shadow-utils, /bin/sh`,
    '%description',
    '%files',
    '',
  ].join('\n');
  await system.run('cat > /tmp/stand-in.spec', spec);
  await system.run('rpmbuild -bb --quiet --define "_topdir /tmp/rpm" /tmp/stand-in.spec');
  await system.run('rpm --upgrade --replacepkgs /tmp/rpm/RPMS/noarch/stand-in-1-1.noarch.rpm');
}
