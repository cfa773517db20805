import type { BootedSystem } from '../../test/lab/booted-system.ts';
import { completionFiles, type Family } from '../packaging/linux-tree.ts';
import { PROGRAM_NAMES } from '../packaging/programs.ts';
import { expect } from './steps.ts';

/** Packages of one format, inside the system. */
export type Packages = Readonly<
  Record<'agent' | 'newerAgent' | 'service' | 'newerService', string>
>;

/** Everything of the agent's state that stays between two runs. */
export const STATE_FILES = 'cd /var/lib/passback && ls -A | grep -v -e ^lock -e sock$ | sort';

/** What an upgrade must not touch. */
export async function facts(system: BootedSystem): Promise<string> {
  const identity = 'sha256sum /var/lib/passback/identity* /etc/passback/*';
  return (await system.run(`${STATE_FILES}; ${identity}`)).trim();
}

/** What stays of the service: its settings, and whom it knows. */
const SERVICE_FACTS = [
  'sha256sum /var/lib/passback-cloud/passback-cloud.yaml /var/lib/passback-cloud/keys/*',
  'stat --format "%n %U:%G %a" /var/lib/passback-cloud/*',
].join('; ');

/**
 * Has `install` put a newer version of both programs in the place of those that run. Rejects unless
 * each was restarted with a drain, is the newer one, and has kept configuration and identity.
 */
export async function upgradeBoth(
  system: BootedSystem,
  install: string,
  newerVersion: string,
): Promise<void> {
  const before = [await facts(system), (await system.run(SERVICE_FACTS)).trim()];
  await system.run(install);
  await isUp(system, 'passback-cloud', /^ready, 1 agents connected/);
  await isUp(system, 'passback', /^running, ready/);
  expect(await facts(system), before[0] ?? '', 'state files and configuration of the agent');
  expect(await system.run(SERVICE_FACTS), before[1] ?? '', 'those of the service');
  for (const [name, restarted] of [
    ['passback', /"agent\.stopping"[^]*"agent\.stopped"[^]*"agent\.started"/],
    ['passback-cloud', /"cloud\.stopping"[^]*"cloud\.stopped"[^]*"cloud\.started"/],
  ] as const) {
    expect(await system.run(`${name} --version`), newerVersion, `version of ${name}`);
    const lines = await system.run(`journalctl --unit ${name} --output=cat --lines=90`);
    expect(lines, restarted, `journal of ${name}`);
    expect(await system.run(`systemctl is-enabled ${name}`), 'enabled', `unit of ${name}`);
  }
  const { build } = JSON.parse(await system.run('passback status --json')) as {
    readonly build: { readonly version: string };
  };
  expect(build.version, newerVersion, 'the version of the agent that runs');
}

/** Rejects where a shell does not find the completion that the package of this family brings. */
export async function completes(system: BootedSystem, family: Family): Promise<void> {
  for (const program of PROGRAM_NAMES) {
    const files = completionFiles(program, family);
    for (const [shell, path] of Object.entries(files)) {
      const found = await system.run(`stat --format '%U:%G %a' ${path} && head -n 2 ${path}`);
      expect(found, /^root:root 644\n/, path);
      expect(found, new RegExp(`# ${shell} completion for ${program};`), path);
    }
    const known = await system.run(`bash -c 'source ${files.bash} && complete -p ${program}'`);
    expect(known, `complete -F _${program.replaceAll('-', '_')} ${program}`, 'bash');
  }
}

/** Rejects, with the last words of its journal, when the unit does not come up with that status. */
export async function isUp(system: BootedSystem, name: string, status: RegExp): Promise<void> {
  let seen = '';
  const show = `systemctl show --property=ActiveState,StatusText ${name}`;
  await until(async () => {
    seen = await system.run(show);
    const text = /^StatusText=(.*)$/m.exec(seen)?.[1] ?? '';
    return seen.includes('ActiveState=active') && status.test(text);
  }, name).catch(async () => {
    const log = await system.run(`journalctl --unit ${name} --output=cat --lines=15`);
    throw new Error(`${name} is not up:\n${seen}\n${log}`);
  });
}

export async function mainPid(system: BootedSystem, name: string): Promise<string> {
  return (await system.run(`systemctl show --property=MainPID --value ${name}`)).trim();
}

export async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await probe())) {
    if (performance.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
