import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PROGRAMS, type ProgramName } from './programs.ts';

const run = promisify(execFile);

/** What a Linux package says of itself. */
export interface PackageText {
  readonly summary: string;
  readonly description: string;
}

export const PACKAGE_TEXTS: Readonly<Record<ProgramName, PackageText>> = {
  passback: {
    summary: 'password writeback for Active Directory: the agent',
    description:
      'Applies password resets and unlocks from a reset service to Active Directory over LDAPS. It dials out and needs no inbound port.',
  },
  'passback-cloud': {
    summary: 'password writeback for Active Directory: the reset service',
    description:
      'Hands password resets and unlocks to the agents of Passback and never sees a password.',
  },
};

/** The oldest systemd that understands the units; where there is none, something else runs the programs. */
export const SYSTEMD = 250;

/** Files that an admin changes and an upgrade leaves alone: an RPM brings them, a .deb makes them when there are none. */
export const CONFIGURATION: Readonly<Record<ProgramName, readonly string[]>> = {
  passback: ['/etc/passback/passback.yaml'],
  // `passback-cloud init` writes it into the data folder, with the keys.
  'passback-cloud': [],
};

const DROP_INS: Readonly<Record<ProgramName, readonly string[]>> = {
  passback: ['encrypted-password.conf', 'addresses.conf'],
  'passback-cloud': ['port-443.conf', 'addresses.conf'],
};

/** Pages, and what they refer to: where they stand here, and where below the package's documentation. */
const PAGES = {
  'service/LINUX.md': 'LINUX.md',
  'service/OPERATING.md': 'OPERATING.md',
  'config/REFERENCE.md': 'REFERENCE.md',
};

const OWN_PAGES: Readonly<Record<ProgramName, Readonly<Record<string, string>>>> = {
  passback: {
    'service/DELEGATION.md': 'DELEGATION.md',
    'service/delegation/passback-delegation': 'delegation/passback-delegation',
    'service/delegation/access_lists.py': 'delegation/access_lists.py',
    'service/delegation/passback-delegation.ps1': 'delegation/passback-delegation.ps1',
  },
  'passback-cloud': {
    'service/container/Caddyfile': 'examples/Caddyfile',
    'service/container/nginx.conf': 'examples/nginx.conf',
  },
};

/** A version as both formats order it: a hyphen would part off a revision, a tilde puts a pre-release before its release. */
export function linuxVersion(version: string): string {
  return version.replaceAll('-', '~');
}

export type Family = 'deb' | 'rpm';

/** Where shells look for what packages bring: zsh of each family at another place. */
export function completionFiles(
  program: ProgramName,
  family: Family,
): Readonly<Record<'bash' | 'zsh' | 'fish', string>> {
  const zsh = { deb: 'vendor-completions', rpm: 'site-functions' }[family];
  return {
    bash: `/usr/share/bash-completion/completions/${program}`,
    zsh: `/usr/share/zsh/${zsh}/_${program}`,
    fish: `/usr/share/fish/vendor_completions.d/${program}.fish`,
  };
}

interface TreeWish {
  readonly root: string;
  readonly program: ProgramName;
  readonly bundle: string;
  readonly family: Family;
}

/** Lays out the files of a package below `tree`, as they will stand on the machine. */
export async function layOut(
  { root, program, bundle, family }: TreeWish,
  tree: string,
): Promise<void> {
  const put = async (from: string, to: string): Promise<void> => {
    await mkdir(dirname(join(tree, to)), { recursive: true });
    await cp(resolve(root, from), join(tree, to));
    const { mode } = await stat(resolve(root, from));
    await chmod(join(tree, to), (mode & 0o100) === 0 ? 0o644 : 0o755);
  };
  await cp(bundle, join(tree, 'usr/lib', program), { recursive: true });
  await put(`service/systemd/${program}.service`, `usr/lib/systemd/system/${program}.service`);
  const doc = `usr/share/doc/${program}`;
  for (const [from, to] of Object.entries({ ...PAGES, ...OWN_PAGES[program] })) {
    await put(from, `${doc}/${to}`);
  }
  for (const file of DROP_INS[program]) {
    await put(`service/systemd/examples/${file}`, `${doc}/examples/${file}`);
  }
  const example = basename(PROGRAMS[program].exampleConfig);
  await put(resolve(bundle, example), `${doc}/examples/${example}`);
  await put('LICENSE', `${doc}/copyright`);
  const brought = family === 'rpm' ? CONFIGURATION[program] : [];
  for (const path of brought) await put(resolve(bundle, example), path);
  await addCommand(root, program, tree);
  for (const [shell, path] of Object.entries(completionFiles(program, family))) {
    const { stdout } = await run(join(bundle, program), ['completion', shell]);
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeWithMode(join(tree, path), stdout, 0o644);
  }
}

async function addCommand(root: string, program: ProgramName, tree: string): Promise<void> {
  const path = join(tree, 'usr/bin', program);
  await mkdir(dirname(path), { recursive: true });
  if (program === 'passback') {
    await cp(join(root, 'service/linux/passback.sh'), path);
    await chmod(path, 0o755);
  } else {
    await symlink(`../lib/${program}/${program}`, path);
  }
}

/** One of the scripts of `service/linux/`, complete: a shell script that knows its package's name. */
export async function packageScript(
  root: string,
  program: ProgramName,
  name: string,
): Promise<string> {
  const read = (file: string): Promise<string> =>
    readFile(join(root, 'service/linux', `${file}.sh`), 'utf8');
  const text = (await read(name))
    .replace('@AFTER_INSTALL@\n', await read('after-install'))
    .replace('@AFTER_PURGE@\n', await read('after-purge'))
    .replace('@CONFIGURATION@', CONFIGURATION[program].join(' '));
  return `#!/bin/sh\nset -e\nname=${program}\n${text}`;
}

/** Whatever the umask of whoever packs. */
export async function writeWithMode(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text);
  await chmod(path, mode);
}
