import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import convict from 'convict';
import { parseDocument } from 'yaml';
import { ConfigError, type ConfigProblem } from '../../support/config-error.ts';
import {
  bringSettingsForward,
  VERSION_KEY,
  type ConfigSteps,
} from '../../support/config-version.ts';
import { fileFailure } from '../../support/file-failure.ts';
import type { ShownSetting } from '../../support/settings-text.ts';
import type { Environment } from '../../support/terminal.ts';
import type { PostgresSettings } from '../store/postgres-place.ts';
import type { CloudConfig } from './cloud-config.ts';
import { SCHEMA, SETTINGS, type RawConfig } from './schema.ts';

const DAY_MS = 24 * 3600_000;
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** Whether plain HTTP on this address stays on the machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}

/**
 * Reads the file, then the environment over it (an empty variable counts as not set), and checks
 * all of it. Rejects with a `ConfigError` that lists every problem.
 */
export async function loadConfig(file: string, env: Environment): Promise<CloudConfig> {
  return (await checkConfig(file, env)).config;
}

/** The same, with what the file should say otherwise because its version is an older one. */
export async function checkConfig(
  file: string,
  env: Environment,
): Promise<{ readonly config: CloudConfig; readonly notes: readonly string[] }> {
  const { raw, notes } = await readAll(file, env);
  return { config: toCloudConfig(raw, dirname(file)), notes };
}

/** What a file of each version says in another way than the one before; none was released yet that does. */
const STEPS: ConfigSteps = [];

export const CONFIG_VERSION: number = STEPS.length + 1;

/** Every setting as it counts, and where it comes from. Rejects as `loadConfig` does. */
export async function effectiveSettings(
  file: string,
  env: Environment,
): Promise<readonly ShownSetting[]> {
  const { raw, tree, variables } = await readAll(file, env);
  return SETTINGS.map(({ key, env: variable }): ShownSetting => {
    const found = at(raw, key);
    const value = found === '' ? undefined : found;
    if (variable in variables) return { key, value, source: 'environment', variable };
    return { key, value, source: at(tree, key) === undefined ? 'default' : 'file' };
  });
}

/** Whether this stands in a configuration file by right. */
export function isKnownKey(key: string): boolean {
  return key === VERSION_KEY || SETTINGS.some((setting) => setting.key === key);
}

interface Read {
  readonly raw: RawConfig;
  /** What the file gives. */
  readonly tree: Readonly<Record<string, unknown>>;
  /** What the environment gives. */
  readonly variables: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}

async function readAll(file: string, env: Environment): Promise<Read> {
  const { tree, notes } = await readTree(file);
  const variables = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith('PASSBACK_CLOUD_') && value),
  );
  const config = convict<RawConfig>(SCHEMA, { env: variables, args: [] });
  config.load({ dataFolder: dirname(file), ...tree });
  const problems = [...schemaProblems(config), ...crossProblems(config.getProperties())];
  if (problems.length > 0) throw new ConfigError(problems);
  return { raw: config.getProperties(), tree, variables, notes };
}

function at(tree: object, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>((value, name) => (isTree(value) ? value[name] : undefined), tree);
}

async function readTree(file: string): Promise<Pick<Read, 'tree' | 'notes'>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const cure = isAbsent ? '; `passback-cloud init` writes one into the data folder' : '';
    const problem = `${fileFailure(error)}${cure}`;
    throw new ConfigError([{ key: file, problem }]);
  }
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map(({ code, pos }) => ({
        key: file,
        problem: `line ${lineOf(text, pos[0])}: not valid YAML (${code.toLowerCase().replaceAll('_', ' ')})`,
      })),
    );
  }
  const tree = document.toJS({ maxAliasCount: 10 }) as unknown;
  if (tree === null) return { tree: {}, notes: [] };
  if (!isTree(tree)) {
    throw new ConfigError([{ key: file, problem: 'expected settings as `key: value` lines' }]);
  }
  const { tree: known, notes, problem } = bringSettingsForward(tree, STEPS);
  if (problem !== undefined) throw new ConfigError([problem]);
  checkGroups(known);
  // A group whose settings are all commented out.
  const given = Object.entries(known).filter(([, value]) => value !== null);
  return { tree: Object.fromEntries(given), notes };
}

/** convict takes a text for a group without a word. */
function checkGroups(tree: Read['tree']): void {
  const problems: ConfigProblem[] = ['listen', 'health', 'database', 'logging', 'retention']
    .filter((key) => !isTree(tree[key] ?? {}))
    .map((key) => ({ key, problem: 'expected a group of settings, indented below it' }));
  if (isTree(tree.database) && 'url' in tree.database) {
    const problem = `there is a password in it: put it into a file for this account only, and name that in database.urlFile`;
    problems.push({ key: 'database.url', problem });
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

function schemaProblems(config: convict.Config<RawConfig>): readonly ConfigProblem[] {
  try {
    config.validate({ allowed: 'strict' });
    return [];
  } catch (error) {
    const lines = error instanceof Error ? error.message.split('\n') : [];
    return lines.map(toProblem);
  }
}

function toProblem(line: string): ConfigProblem {
  const unknown = /param '([^']+)' not declared/.exec(line)?.[1];
  if (unknown !== undefined) return { key: unknown, problem: 'there is no such setting' };
  const [key = '', ...rest] = line.split(': ');
  return { key, problem: rest.join(': ') };
}

function crossProblems({ listen, database }: RawConfig): readonly ConfigProblem[] {
  return [...listenProblems(listen), ...databaseProblems(database)];
}

function databaseProblems({ urlFile, caFile }: RawConfig['database']): readonly ConfigProblem[] {
  if (caFile === '' || urlFile !== '') return [];
  return [
    { key: 'database.urlFile', problem: 'database.caFile is of no use without it; set both' },
  ];
}

function listenProblems(listen: RawConfig['listen']): readonly ConfigProblem[] {
  const { host, certificateFile, keyFile } = listen;
  if ((certificateFile === '') !== (keyFile === '')) {
    const missing = certificateFile === '' ? 'certificateFile' : 'keyFile';
    return [{ key: `listen.${missing}`, problem: 'certificate and key go together; set both' }];
  }
  if (certificateFile !== '' || isLoopback(host)) return [];
  return [
    {
      key: 'listen.host',
      problem: `${host} is reachable from outside: set certificateFile and keyFile, or listen on 127.0.0.1 behind a reverse proxy that speaks TLS`,
    },
  ];
}

function toCloudConfig(raw: RawConfig, base: string): CloudConfig {
  const { host, port, certificateFile, keyFile, maxConnections } = raw.listen;
  const { level, file } = raw.logging;
  return {
    url: raw.url.replace(/\/+$/, ''),
    dataFolder: resolve(base, raw.dataFolder),
    listen: {
      host,
      port,
      maxConnections,
      ...(certificateFile !== '' && { certificateFile: resolve(base, certificateFile) }),
      ...(keyFile !== '' && { keyFile: resolve(base, keyFile) }),
    },
    health: raw.health,
    ...(raw.database.urlFile !== '' && { database: toDatabase(raw.database, base) }),
    logging: { level, ...(file !== '' && { file: resolve(base, file) }) },
    sessionMs: raw.sessionMs,
    drainMs: raw.drainMs,
    retention: {
      operationsMs: raw.retention.operationsDays * DAY_MS,
      auditMs: raw.retention.auditDays * DAY_MS,
    },
  };
}

function toDatabase(
  { urlFile, caFile, poolSize }: RawConfig['database'],
  base: string,
): PostgresSettings {
  return {
    urlFile: resolve(base, urlFile),
    ...(caFile !== '' && { caFile: resolve(base, caFile) }),
    poolSize,
  };
}

function lineOf(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
