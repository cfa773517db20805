import { basename, dirname } from 'node:path';
import type { BootedSystem } from '../../test/lab/booted-system.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { createTestCa } from '../../test/support/test-ca.ts';
import { agentConfig } from './agent-config.ts';
import { refuses } from './dnf.ts';
import { drainReset } from './drain.ts';
import { encrypt } from './encrypted-password.ts';
import {
  completes,
  isUp,
  mainPid,
  STATE_FILES,
  until,
  upgradeBoth,
  type Packages,
} from './machine.ts';
import { cleanRpm, eraseRpm, takeOver, upgradeRpm } from './rpm-steps.ts';
import { expect, type Steps } from './steps.ts';

export interface TrialParts {
  readonly lab: Lab;
  readonly system: BootedSystem;
  readonly steps: Steps;
  /** Inside the system. */
  readonly debs: Packages;
  readonly rpms: Packages;
  /** Inside the system, beside the packages. */
  readonly sums: string;
  readonly newerVersion: string;
}

const URL = 'https://localhost:8443';
const TO = `--directory corp --url ${URL} --key-file /root/admin.key --ca /etc/passback/service-ca.pem`;
const RESET = `passback-cloud operate reset ${TO} --account anna@corp.test --password-file`;
const PASSWORDS = [
  'Installed-From-A-Package-1',
  'Upgraded-By-A-Package-2',
  'Taken-Over-By-An-Rpm-3',
  'Written-While-It-Stopped-4',
] as const;

/** The life of the packages on one machine, step by step, as an administrator lives it. */
export async function tryPackages(parts: TrialParts): Promise<void> {
  const { steps } = parts;
  const all: readonly (readonly [string, () => Promise<void>])[] = [
    ['what was downloaded is what was packed', () => compare(parts)],
    ['installed: accounts, private state folders, nothing started yet', () => install(parts)],
    ['bash, zsh and fish complete both programs', () => completes(parts.system, 'deb')],
    ['exposure of both units at most 1.3, with the drop-in at most 1.2', () => exposure(parts)],
    ['the reset service starts, and systemd knows that it is up', () => startService(parts)],
    ['the agent enrols as root, and its state is its own', () => enrol(parts)],
    ['the agent starts with its password from a credential, and is approved', () => start(parts)],
    ['a reset, and Kerberos takes the new password', () => reset(parts, PASSWORDS[0])],
    ['no secret in unit, environment, command line or journal', () => secrets(parts)],
    ['the password encrypted to this machine, by the drop-in', () => encrypt(parts)],
    ['a watchdog that hears nothing starts the agent again', () => freeze(parts)],
    [
      'told to stop in the middle of a reset, it ends that first',
      () => drainReset(parts, RESET, PASSWORDS[3]),
    ],
    [
      'both upgraded: restarted with a drain, configuration and identity kept',
      () => upgrade(parts),
    ],
    ['a reset by the new version', () => reset(parts, PASSWORDS[1])],
    ['removed: not running, state and configuration kept', () => remove(parts)],
    [
      'dnf refuses the RPMs where something that they need is missing or too old',
      () => refuses(parts.system, `${parts.rpms.agent} ${parts.rpms.service}`),
    ],
    ['the RPMs go on with what was kept: same identity, same configuration', () => takeOver(parts)],
    ['the shells complete their programs', () => completes(parts.system, 'rpm')],
    ['a reset by them', () => reset(parts, PASSWORDS[2])],
    [
      'both RPMs upgraded: restarted with a drain, configuration and identity kept',
      () => upgradeRpm(parts),
    ],
    ['RPMs erased: not running, state and configuration kept', () => eraseRpm(parts)],
    ['purged: nothing left', () => purge(parts)],
    ['the RPMs on a clean machine: accounts, modes, nothing started', () => cleanRpm(parts)],
  ];
  for (const [what, prove] of all) await steps.step(what, prove);
}

async function compare({ system, sums, debs, rpms }: TrialParts): Promise<void> {
  const checked = await system.run(`cd ${dirname(sums)} && sha256sum --strict --check ${sums}`);
  for (const path of [debs, rpms].flatMap((packages) => Object.values(packages))) {
    const isSound = checked.split('\n').includes(`${basename(path)}: OK`);
    if (!isSound) throw new Error(`${basename(path)} is not in it:\n${checked}`);
  }
}

async function install({ system, debs }: TrialParts): Promise<void> {
  await system.run(`dpkg --install ${debs.service} ${debs.agent}`);
  // The first thing that an administrator types: it says what comes first.
  const doctor = await system.try('passback doctor');
  expect(doctor.output, /FAIL +Configuration \(directory\.bind\.passwordFile\)/, 'doctor');
  expect(String(doctor.exitCode), '78', 'its exit code');
  const configuration = `stat --format '%U:%G %a' /etc/passback /etc/passback/passback.yaml`;
  expect(await system.run(configuration), 'root:passback 750\nroot:root 644', 'configuration');
  await system.run('cmp /etc/passback/passback.yaml /usr/lib/passback/passback.example.yaml');
  for (const name of ['passback', 'passback-cloud']) {
    const folder = await system.run(`stat --format '%U:%G %a' /var/lib/${name}`);
    expect(folder, `${name}:${name} 700`, `/var/lib/${name}`);
    expect((await system.try(`systemctl is-active ${name}`)).output, /inactive/, name);
    expect(await system.run(`${name} --version`), /^\d+\.\d+\.\d+/, 'version');
  }
}

async function exposure({ system }: TrialParts): Promise<void> {
  for (const name of ['passback', 'passback-cloud']) {
    const analyse = `systemd-analyze security --offline=true --threshold`;
    const unit = `/usr/lib/systemd/system/${name}.service`;
    await system.run(`${analyse}=13 ${unit}`);
    // Drop-ins are looked for beside a copy, so that the real unit stays as it is.
    const [copy, example] = [`/tmp/${name}.service`, `/usr/share/doc/${name}/examples`];
    await system.run(
      `cp ${unit} ${copy} && sed '/^\\[Service\\]/d;/^#/d' ${example}/addresses.conf > /tmp/more &&` +
        ` sed -i '/^\\[Service\\]/r /tmp/more' ${copy} && ${analyse}=12 ${copy}`,
    );
  }
}

async function startService({ system }: TrialParts): Promise<void> {
  const tls = await (await createTestCa()).issue(['localhost']);
  await system.run('cat > /etc/passback/service-ca.pem', tls.ca);
  await system.run('install -d -m 750 -g passback-cloud /etc/passback-cloud');
  for (const [file, text] of [
    ['cert.pem', tls.cert],
    ['key.pem', tls.key],
  ] as const) {
    const path = `/etc/passback-cloud/${file}`;
    await system.run(`install -m 640 -g passback-cloud /dev/stdin ${path}`, text);
  }
  const as = 'cd /var/lib/passback-cloud && runuser -u passback-cloud -- passback-cloud';
  const data = '--data /var/lib/passback-cloud';
  const pair = '--cert /etc/passback-cloud/cert.pem --key /etc/passback-cloud/key.pem';
  await system.run(`${as} init --url ${URL} ${data} ${pair}`);
  await system.run(`${as} directory add corp ${data}`);
  const scopes = 'inspect,reset,change,unlock,status,admin';
  await system.run(
    `${as} key add --directory corp --scopes ${scopes} --actor trial --out admin.key ${data}`,
  );
  await system.run(
    'mv /var/lib/passback-cloud/admin.key /root/admin.key && chown root: /root/admin.key',
  );
  await system.run('systemctl enable --now passback-cloud');
  await isUp(system, 'passback-cloud', /^ready, 0 agents connected/);
}

async function enrol({ system, lab }: TrialParts): Promise<void> {
  await system.run('cat > /etc/passback/corp-ca.pem', lab.ca);
  await system.run('cat > /etc/passback/passback.yaml', agentConfig(lab));
  await system.run(
    'install -m 600 /dev/stdin /etc/passback/bind-password',
    lab.serviceAccount.password,
  );
  await system.run('passback config check');
  const before = await system.try(`passback doctor --url ${URL}`);
  expect(before.output, /PASS +State folder.*its account[^]*WARN +Enrolment/, 'doctor before');
  expect(before.output, /PASS +Bind[^]*PASS +Rights/, 'doctor on the directory');
  expect(String(before.exitCode), '0', 'its exit code');
  await system.run(`passback-cloud token --out /root/token ${TO}`);
  await system.run(
    `passback enroll --url ${URL} --token-file /root/token --name trial --json > /root/enrolled`,
  );
  const owners = await system.run(`find /var/lib/passback -printf '%U:%G\\n' | sort -u | wc -l`);
  expect(owners, '1', 'owners of the state');
  const modes = await system.run('find /var/lib/passback -type f -perm /077 | wc -l');
  expect(modes, '0', 'files of the state that others can open');
}

async function start({ system }: TrialParts): Promise<void> {
  await system.run('systemctl enable --now passback');
  expect(await system.run('systemctl show --property=User passback'), 'User=passback', 'account');
  const enrolled = JSON.parse(await system.run('cat /root/enrolled')) as Record<string, string>;
  const { agentId = '', fingerprint = '' } = enrolled;
  await system.run(`passback-cloud agent approve ${agentId} --fingerprint ${fingerprint} ${TO}`);
  await isUp(system, 'passback', /^running, ready/);
  await isUp(system, 'passback-cloud', /^ready, 1 agents connected/);
  expect(await system.run('passback status'), /running/, 'passback status');
  const socket = await system.run(`stat --format '%U:%G %a' /run/passback/control.sock`);
  expect(socket, 'passback:passback 660', 'the socket');
  // As root, and as the account: that has the password from systemd alone.
  for (const as of ['', 'runuser -u passback -- ']) {
    const doctor = await system.try(`${as}passback doctor`);
    expect(doctor.output, /PASS +Running agent[^]*PASS +Bind[^]*, 0 failed/, `${as}doctor`);
    expect(String(doctor.exitCode), '0', 'its exit code');
  }
  expect((await system.try('passback run')).output, /belongs to another account/, 'run as root');
  expect((await system.try('passback service status')).output, /systemctl status/, 'service');
}

async function reset({ system, lab }: TrialParts, password: string): Promise<void> {
  expect(await system.run(`${RESET} -`, password), /applied/i, 'operate');
  expect(await lab.kinit('anna', password), 'ok', 'kinit');
}

async function secrets({ system, lab }: TrialParts): Promise<void> {
  const planted = [lab.serviceAccount.password, ...PASSWORDS];
  await system.run('cat > /tmp/planted', planted.join('\n'));
  const places = [
    'journalctl --no-pager --output=export',
    'systemctl show passback passback-cloud',
    'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline',
    'cat /var/lib/passback/* /var/lib/passback-cloud/*',
  ];
  for (const place of places) {
    const hits = await system.run(`(${place}) 2>/dev/null | grep -a -c -F -f /tmp/planted || true`);
    expect(hits, '0', place);
  }
  await system.run('cat /tmp/planted /tmp/planted | grep -q -F -f /tmp/planted && rm /tmp/planted');
}

async function freeze({ system }: TrialParts): Promise<void> {
  const pid = await mainPid(system, 'passback');
  // As soon as that: a drop-in of the running system only.
  await system.run(
    'mkdir -p /run/systemd/system/passback.service.d && ' +
      'printf "[Service]\\nWatchdogSec=3\\nRestartSec=1\\n" > /run/systemd/system/passback.service.d/trial.conf && ' +
      'systemctl daemon-reload && systemctl restart passback',
  );
  const restarted = await mainPid(system, 'passback');
  if (restarted === pid) throw new Error('it was not restarted');
  await system.run(`kill -STOP ${restarted}`);
  await until(async () => {
    const now = await mainPid(system, 'passback');
    return now !== restarted && now !== '0';
  }, 'a new process');
  await isUp(system, 'passback', /^running, ready/);
  await system.run(
    'rm -r /run/systemd/system/passback.service.d && systemctl daemon-reload && systemctl restart passback',
  );
  await isUp(system, 'passback', /^running, ready/);
}

async function upgrade({ system, debs, newerVersion }: TrialParts): Promise<void> {
  // As it is done unattended, where nobody answers a question about the changed example.
  const install = `DEBIAN_FRONTEND=noninteractive apt-get --yes install ${debs.newerService} ${debs.newerAgent} </dev/null`;
  await upgradeBoth(system, install, newerVersion);
  await system.run('tail -n 1 /usr/lib/passback/passback.example.yaml | grep "^# As of "');
}

async function remove({ system }: TrialParts): Promise<void> {
  await system.run('dpkg --remove passback passback-cloud');
  for (const name of ['passback', 'passback-cloud']) {
    expect((await system.try(`systemctl is-active ${name}`)).output, /inactive/, name);
    await system.run(`test ! -e /usr/bin/${name} && test ! -e /usr/lib/${name}`);
  }
  expect(await system.run(STATE_FILES), /journal\.jsonl/, 'the state');
  await system.run('test -s /etc/passback/passback.yaml && test -s /etc/passback/bind-password');
  await system.run('test -s /var/lib/passback-cloud/passback-cloud.yaml');
}

async function purge({ system }: TrialParts): Promise<void> {
  await system.run('dpkg --purge passback passback-cloud');
  for (const name of ['passback', 'passback-cloud']) {
    await system.run(`! getent passwd ${name} && ! getent group ${name}`);
  }
  const left = `find / -xdev -name '*passback*' -not -path '/proc/*' -not -path '/tmp/*' -not -path '/root/*' -not -path '/run/*'`;
  expect(
    await system.run(`${left} -not -path '/var/lib/systemd/*' -not -path '/var/log/*'`),
    '',
    'left',
  );
}
