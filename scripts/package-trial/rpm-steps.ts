import type { BootedSystem } from '../../test/lab/booted-system.ts';
import { DNF } from './dnf.ts';
import { facts, isUp, STATE_FILES, upgradeBoth, type Packages } from './machine.ts';
import { expect } from './steps.ts';

interface Parts {
  readonly system: BootedSystem;
  readonly rpms: Packages;
  readonly newerVersion: string;
}

const NAMES = ['passback', 'passback-cloud'] as const;

/** Installed where a Debian package has left its state and configuration. */
export async function takeOver({ system, rpms }: Parts): Promise<void> {
  const before = await facts(system);
  await system.run(`${DNF} install ${rpms.agent} ${rpms.service}`);
  await system.run('rm /etc/passback/passback.yaml.rpmnew');
  expect(await facts(system), before, 'state files and configuration');
  const changed = await system.try(`rpm --verify ${NAMES.join(' ')}`);
  expect(changed.output, /^(\S+ +c \/etc\/passback\/passback\.yaml\s*)?$/, 'rpm --verify');
  await system.run(`systemctl enable --now ${NAMES.join(' ')}`);
  await isUp(system, 'passback', /^running, ready/);
  await isUp(system, 'passback-cloud', /^ready, 1 agents connected/);
}

export async function upgradeRpm({ system, rpms, newerVersion }: Parts): Promise<void> {
  const install = `${DNF} upgrade ${rpms.newerService} ${rpms.newerAgent}`;
  // The changed example comes to lie beside the configuration.
  const tidy = 'rm /etc/passback/passback.yaml.rpmnew';
  await upgradeBoth(system, `${install} && ${tidy}`, newerVersion);
}

export async function eraseRpm({ system }: Parts): Promise<void> {
  await system.run(`${DNF} remove ${NAMES.join(' ')}`);
  for (const name of NAMES) {
    expect((await system.try(`systemctl is-active ${name}`)).output, /inactive/, name);
    await system.run(`test ! -e /usr/bin/${name} && test ! -e /usr/lib/${name}`);
  }
  expect(await system.run(STATE_FILES), /journal\.jsonl/, 'the state');
  // RPM keeps a changed file under this name, and installing again does not bring it back.
  await system.run('test -s /etc/passback/passback.yaml.rpmsave');
  await system.run('test -s /etc/passback/bind-password');
  await system.run('test -s /var/lib/passback-cloud/passback-cloud.yaml');
}

export async function cleanRpm({ system, rpms }: Parts): Promise<void> {
  await system.run(`${DNF} install ${rpms.agent} ${rpms.service}`);
  for (const name of NAMES) {
    const folder = await system.run(`stat --format '%U:%G %a' /var/lib/${name}`);
    expect(folder, `${name}:${name} 700`, `/var/lib/${name}`);
    expect((await system.try(`systemctl is-active ${name}`)).output, /inactive/, name);
    expect(await system.run(`${name} --version`), /^\d+\.\d+\.\d+/, 'version');
    const foreign = `find /usr/lib/${name} /usr/bin/${name} /usr/share/doc/${name} ! -user root -o ! -type l -perm /022`;
    expect(await system.run(foreign), '', 'files that others than root may change');
  }
  const configured = await system.run(`stat --format '%U:%G %a' /etc/passback`);
  expect(configured, 'root:passback 750', '/etc/passback');
  await system.run(`${DNF} remove ${NAMES.join(' ')}`);
}
