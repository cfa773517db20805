import { X509Certificate } from 'node:crypto';
import { existsSync, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { timestamp } from '../../protocol/shapes.ts';
import { bindFailure } from '../../support/bind-failure.ts';
import {
  failed,
  passed,
  skipped,
  warned,
  type CheckResult,
  type Finding,
} from '../../support/checks.ts';
import { ConfigError } from '../../support/config-error.ts';
import { isFault, messageOf } from '../../support/errors.ts';
import { fileFailure } from '../../support/file-failure.ts';
import { FolderError } from '../../support/files.ts';
import { knownVersion } from '../../support/folder-version.ts';
import { lookAtRuntime } from '../../support/runtime-check.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { Environment } from '../../support/terminal.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { dataFolder } from '../data-folder.ts';
import { KeyFolderError } from '../keys/key-folder-error.ts';
import { KeyFolder } from '../keys/key-folder.ts';
import { KEY_STEPS } from '../keys/key-version.ts';
import { loadServiceKeys } from '../keys/service-keys.ts';
import { SetupError } from '../setup/setup-error.ts';
import { lockForServing } from '../setup/serve-lock.ts';
import { MISSING_DATABASE } from '../setup/must-have-database.ts';
import { readSchemaState } from '../store/schema-state.ts';
import { isCertificateFor, readTlsPair } from '../tls-pair.ts';
import { CHECKS, result, type CheckId } from './check-list.ts';

const DAY_MS = 86_400_000;
const KEY_SET_MS = 30 * DAY_MS;
const RENEW_MS = 14 * DAY_MS;
const POSIX = process.platform !== 'win32';

export interface DoctorOptions {
  readonly file: string;
  readonly env: Environment;
  readonly nodeVersion: string;
  readonly now: number;
  readonly onResults?: (results: readonly CheckResult[]) => void;
}

/** Makes every check in its order; changes nothing. Rejects for bugs only. */
export async function examine(options: DoctorOptions): Promise<readonly CheckResult[]> {
  const { file, env, nodeVersion, now, onResults } = options;
  const all: CheckResult[] = [];
  const say = (...results: readonly CheckResult[]): void => {
    all.push(...results);
    onResults?.(results);
  };
  say(result('machine.runtime', lookAtRuntime(nodeVersion, env)));
  const { config, results } = await lookAtConfig(file, env);
  say(...results);
  if (config === undefined) {
    say(...skipRest('the configuration cannot be used'));
    return all;
  }
  say(result('data.folder', await lookAtFolder(config.dataFolder)));
  say(...(await lookAtKeys(config, now)));
  say(result('listen.certificate', await lookAtCertificate(config, now)));
  for (const [group, place] of [
    ['listen', config.listen],
    ['health', config.health],
  ] as const) {
    say(result('listen.port', await lookAtPort(`${group}.port`, place, config), `${group}.port`));
  }
  say(result('database.schema', await lookAtDatabase(config)));
  return all;
}

function skipRest(reason: string): readonly CheckResult[] {
  const ids = Object.keys(CHECKS) as CheckId[];
  return ids.slice(ids.indexOf('data.folder')).map((id) => result(id, skipped(reason)));
}

async function lookAtConfig(
  file: string,
  env: Environment,
): Promise<{ readonly config?: CloudConfig; readonly results: readonly CheckResult[] }> {
  try {
    const config = await loadConfig(file, env);
    return { config, results: [result('config.settings', passed(`${file} is good`))] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const remedy = 'Correct it; config/REFERENCE.md has every setting.';
    const results = error.problems.map(({ key, problem }) =>
      result('config.settings', failed(problem, remedy), key),
    );
    return { results };
  }
}

async function lookAtFolder(path: string): Promise<Finding> {
  let found: Stats;
  try {
    found = await stat(path);
  } catch (error) {
    return failed(
      `${path} ${fileFailure(error)}`,
      'Make it with passback-cloud init, or put it back from a backup.',
    );
  }
  if (!POSIX) return passed(`${path} is there; who may enter it, icacls shows`);
  if ((found.mode & 0o077) !== 0) {
    const commands = [{ where: 'as its owner, or root', lines: [`chmod 700 ${shellWord(path)}`] }];
    return failed(`other accounts can enter ${path}, which holds private keys`, 'Close it:', {
      commands,
    });
  }
  const uid = process.geteuid?.();
  if (uid === found.uid) return passed(`${path} is private`);
  const lines = [`sudo -u '#${found.uid}' passback-cloud doctor …`];
  return warned(
    `${path} belongs to another account (uid ${found.uid}, this is ${uid ?? 'unknown'})`,
    'Ask again as the account of the service:',
    { commands: [{ where: 'here', lines }] },
  );
}

async function lookAtKeys(
  { dataFolder: data, url }: CloudConfig,
  now: number,
): Promise<readonly CheckResult[]> {
  const { keys } = dataFolder(data);
  return [
    result('keys.files', (await openKeyFile(keys)) ?? (await keySetFinding(keys, url, now))),
    result('keys.root', await rootFinding(join(keys, 'root.json'))),
  ];
}

async function openKeyFile(folder: string): Promise<Finding | undefined> {
  const names = POSIX ? await readdir(folder).catch(() => [] as string[]) : [];
  for (const name of names.filter((one) => !one.endsWith('.public.json'))) {
    const path = join(folder, name);
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) continue;
    const commands = [{ where: 'as its owner, or root', lines: [`chmod 600 ${shellWord(path)}`] }];
    return failed(`other accounts can read ${path}`, 'Close it, and rotate if they may have:', {
      commands,
    });
  }
  return undefined;
}

async function keySetFinding(folder: string, url: string, now: number): Promise<Finding> {
  const commands = [
    {
      where: 'with the root key at hand',
      lines: [`passback-cloud keys rotate --data ${shellWord(dirname(folder))}`],
    },
  ];
  try {
    const { keySet } = await loadServiceKeys(new KeyFolder(folder), url, now);
    const leftMs = keySet.expiresAt - now;
    const version = await knownVersion(folder, KEY_STEPS);
    const found = `version ${version}, key set ${keySet.number}, until ${timestamp(keySet.expiresAt).slice(0, 10)}`;
    return leftMs > KEY_SET_MS ? passed(found) : warned(found, 'Rotate:', { commands });
  } catch (error) {
    if (!isFault(error)) throw error;
    const isOver = error instanceof KeyFolderError && error.code === 'KEYS_EXPIRED';
    return failed(
      messageOf(error).replace(/^keys: /, ''),
      isOver ? 'Rotate:' : 'Do what it says; a rotation does not mend what is damaged.',
      isOver ? { commands } : {},
    );
  }
}

async function rootFinding(path: string): Promise<Finding> {
  try {
    await stat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return passed('its private half is not on this machine');
    return failed(`${path} ${fileFailure(error)}`, 'Ask again as the account of the service.');
  }
  return warned(
    `${path} is on this machine: whoever has it is this service to every agent, for ever`,
    'Move it to a safe place off line; keys rotate asks for it once a year (keys draft, sign, install where it stays there).',
  );
}

async function lookAtCertificate({ listen, url }: CloudConfig, now: number): Promise<Finding> {
  const { certificateFile, keyFile } = listen;
  if (certificateFile === undefined || keyFile === undefined) {
    return skipped('plain HTTP on the loopback interface: the reverse proxy has the certificate');
  }
  const read = await readTlsPair({ certificateFile, keyFile });
  if ('problems' in read) {
    const found = read.problems.map(({ problem }) => problem).join('; ');
    return failed(found, 'Correct listen.certificateFile and listen.keyFile.');
  }
  if (!isCertificateFor(read.pair, url)) {
    const { hostname } = new URL(url);
    return failed(`it is not for ${hostname}, which agents dial`, `Get one for ${hostname}.`);
  }
  const until = Date.parse(new X509Certificate(read.pair.cert).validTo);
  const date = timestamp(until).slice(0, 10);
  const renew = `Renew it in ${certificateFile}; then restart the service.`;
  if (until <= now) return failed(`it ended on ${date}`, renew);
  return until - now < RENEW_MS ? warned(`it ends on ${date}`, renew) : passed(`until ${date}`);
}

async function lookAtPort(
  setting: string,
  { host, port }: CloudConfig['health'],
  config: CloudConfig,
): Promise<Finding> {
  const code = port === 0 ? undefined : await bindFailure(host, port);
  if (code === undefined) return passed(`${host} port ${port} can be opened`);
  if (code === 'EADDRINUSE') {
    return (await isServing(config))
      ? passed(`${host} port ${port} is open: the service is running`)
      : failed(
          `${host} port ${port} is in use, and the service of this data folder is not running`,
          `Stop what uses it, or choose another ${setting}.`,
        );
  }
  const cure =
    code === 'EACCES'
      ? 'Ports below 1024 need CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=), or choose another one.'
      : `Look at ${setting.replace('.port', '.host')}: it has to be an address of this machine.`;
  return failed(`${host} port ${port} cannot be opened (${code})`, cure);
}

/** Whether the service of this data folder runs: with SQLite its lock says so, else its health port. */
async function isServing({ dataFolder: data, database, health }: CloudConfig): Promise<boolean> {
  if (database !== undefined) return answersAt(health);
  const { lock } = dataFolder(data);
  if (!existsSync(lock)) return false; // looking would make it
  try {
    lockForServing(lock)[Symbol.dispose]();
    return false;
  } catch (error) {
    if (error instanceof SetupError) return true;
    throw error;
  }
}

function answersAt({ host, port }: CloudConfig['health']): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path: '/livez', timeout: 3_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.once('timeout', () => asked.destroy(new Error('silent')));
    asked.once('error', () => {
      resolve(false);
    });
    asked.end();
  });
}

async function lookAtDatabase(config: CloudConfig): Promise<Finding> {
  try {
    const { schema, place, unknown, version = 'none' } = await readSchemaState(config);
    switch (schema) {
      case 'current':
        return passed(`${place} can be reached, and its schema is this program's (${version})`);
      case 'older':
        return passed(`${place} can be reached; serve brings its schema up to date (${version})`);
      case 'absent':
        return config.database === undefined
          ? failed(`there is no ${place}`, MISSING_DATABASE)
          : warned(`${place} holds nothing of ours yet`, 'init or serve makes the tables.');
      case 'newer':
        return failed(
          `${place} was written by a newer passback-cloud (${unknown.join(', ')})`,
          'Install that version here; an older one must not work on it.',
        );
    }
  } catch (error) {
    if (error instanceof ConfigError) {
      const found = error.problems.map(({ key, problem }) => `${key}: ${problem}`).join('; ');
      return failed(found, 'Correct it.');
    }
    if (!isFault(error) && !(error instanceof FolderError)) throw error;
    const remedy =
      config.database === undefined
        ? 'Do what it says.'
        : 'Look at the database server, and at database.urlFile.';
    return failed(messageOf(error), remedy);
  }
}
