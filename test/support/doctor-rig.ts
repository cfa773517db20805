import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { CheckResult } from '../../src/support/checks.ts';
import { examine, type DoctorOptions } from '../../src/agent/doctor/doctor.ts';
import { systemClock } from '../../src/support/clock.ts';
import { startLdapServer, type LdapServer } from './ldap-server.ts';
import { ScriptedDomain, SERVICE_ACCOUNT, type ScriptedDomainOptions } from './scripted-domain.ts';
import type { ScriptedController } from './scripted-entries.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { createTestCa, type CertificateOptions, type TestCa } from './test-ca.ts';

export interface DoctorRigOptions extends ScriptedDomainOptions {
  readonly controllers?: readonly ScriptedController[];
  /** Of the first controller; replaces the good one. */
  readonly certificate?: CertificateOptions & {
    readonly names?: readonly string[];
    readonly ca?: TestCa;
  };
  /** Settings that replace or join the usual ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly directory?: Readonly<Record<string, unknown>>;
}

/** A machine of an agent, as files, before a scripted domain on loopback. */
export interface DoctorRig extends AsyncDisposable {
  readonly path: string;
  readonly config: string;
  readonly state: string;
  readonly domain: ScriptedDomain;
  readonly servers: readonly LdapServer[];
  /** Writes the configuration again, with these settings of `directory` instead. */
  readonly configure: (directory: Readonly<Record<string, unknown>>) => Promise<void>;
  /** Gives the first controller a good certificate. */
  readonly renew: () => void;
  readonly run: (more?: Partial<DoctorOptions>) => Promise<readonly CheckResult[]>;
  /** Operations other than bind and search that any controller was asked for. */
  readonly writes: () => number;
  /** Every file with its content, to be compared. */
  readonly snapshot: () => Promise<Readonly<Record<string, string>>>;
}

const authority = createTestCa();
const IN_TWO_MONTHS = new Date(Date.now() + 60 * 86_400_000);

export const ANNA = { sam: 'anna', password: 'Anna-has-4-Keys' };

/** The same with Anna in the directory, until the test that runs now has ended. */
export async function doctorRig(options: DoctorRigOptions = {}): Promise<DoctorRig> {
  const made = await openDoctorRig({ accounts: [ANNA], ...options });
  onTestFinished(() => made[Symbol.asyncDispose]());
  return made;
}

export async function openDoctorRig(options: DoctorRigOptions = {}): Promise<DoctorRig> {
  const { controllers = [{}], certificate: wish = {} } = options;
  const folder = await temporaryFolder();
  const { path } = folder;
  const ca = await authority;
  const names = ['dc1.corp.test', 'dc2.corp.test'];
  const good = await ca.issue(names, { notAfter: IN_TWO_MONTHS });
  const first = await (wish.ca ?? ca).issue(wish.names ?? names, {
    notAfter: IN_TWO_MONTHS,
    ...wish,
  });
  const domain = new ScriptedDomain(options);
  const servers = await Promise.all(
    controllers.map((each, i) =>
      startLdapServer({
        certificate: i === 0 ? first : good,
        answer: domain.on({ ...each, name: `dc${i + 1}.corp.test` }),
      }),
    ),
  );
  const state = join(path, 'state');
  const config = join(path, 'passback.yaml');
  await writeFile(join(path, 'bind-password'), `${SERVICE_ACCOUNT.password}\n`, { mode: 0o600 });
  await writeFile(join(path, 'dc-ca.pem'), ca.ca);
  await mkdir(state, { mode: 0o700 });
  const { guard, ...settings } = options.settings ?? {};
  const configure: DoctorRig['configure'] = (directory) =>
    writeFile(
      config,
      stringify({
        directory: {
          domain: 'corp.test',
          domainControllers: servers.map(({ port }, i) => ({
            ...{ name: `dc${i + 1}.corp.test`, address: '127.0.0.1', port },
          })),
          caFile: join(path, 'dc-ca.pem'),
          bind: { user: SERVICE_ACCOUNT.user, passwordFile: join(path, 'bind-password') },
          ...directory,
        },
        guard: { baseDns: ['OU=People,DC=corp,DC=test'], ...(guard as object | undefined) },
        stateFolder: state,
        health: { port: 0 }, // the usual one may be somebody's on this machine
        ...settings,
      }),
    );
  await configure(options.directory ?? {});
  return {
    ...{ path, config, state, domain, servers, configure },
    renew: () => servers[0]?.renew(good),
    run: (more = {}) =>
      examine(
        {
          ...{ file: config, env: {}, nodeVersion: 'v24.1.0', clock: systemClock },
          askStatus: () => Promise.resolve(undefined),
          ...more,
        },
        new AbortController().signal,
      ),
    writes: () =>
      servers.flatMap(({ requests }) => requests).filter(({ op }) => op === 'modify').length,
    snapshot: async () => {
      const entries = await readdir(path, { recursive: true, withFileTypes: true });
      const files = entries.map(async (entry) => {
        const file = join(entry.parentPath, entry.name);
        const { mode, mtimeMs } = await stat(file);
        const content = entry.isFile() ? await readFile(file, 'utf8') : '';
        return [file, `${mode} ${mtimeMs} ${content}`] as const;
      });
      return Object.fromEntries(await Promise.all(files));
    },
    [Symbol.asyncDispose]: async () => {
      for (const server of servers) await server.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** The results of one check. */
export function of(results: readonly CheckResult[], id: string): readonly CheckResult[] {
  return results.filter((result) => result.id === id);
}

/** The only result of one check. Throws when there are others. */
export function only(results: readonly CheckResult[], id: string): CheckResult {
  const [one, second] = of(results, id);
  if (one === undefined || second !== undefined) {
    throw new Error(`${id}: expected one result, found ${JSON.stringify(of(results, id))}`);
  }
  return one;
}
