import { arch, release, uptime } from 'node:os';
import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { CODES } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { redactChecks } from '../../support/bundle/redact-checks.ts';
import { redactLog } from '../../support/bundle/redact-log.ts';
import type { ArchivedFile } from '../../support/bundle/tar.ts';
import {
  bundleName,
  jsonFile,
  logLinesOf,
  MAX_LINES,
  writeBundle,
} from '../../support/bundle/write-bundle.ts';
import { ConfigError } from '../../support/config-error.ts';
import { packageVersion } from '../../support/version.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { effectiveSettings, isKnownKey, loadConfig } from '../config/load-config.ts';
import { examine } from '../doctor/doctor.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFileOf,
  DATA_FLAG,
  DATA_HELP,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

interface BundleFlags extends PlaceFlags {
  readonly out?: string;
  readonly log?: string;
  readonly lines: number;
  readonly withAccounts?: true;
  readonly json?: true;
}

const NOTES = `
Examples:
  passback-cloud support-bundle --data /var/lib/passback-cloud
  journalctl -u passback-cloud -o cat -n 5000 | passback-cloud support-bundle --data /var/lib/passback-cloud --log -

One .tar.gz for whoever helps you: version, settings, what doctor finds, and the last log lines. Only known
settings and known fields of known events go in, never a key, the database or the content of a file; without
--with-accounts no callers, addresses, or sentences in log lines. Look into it before you send it.`;

/** Adds `support-bundle`. */
export function addBundleCommand(program: Command, terminal: Terminal): void {
  program
    .command('support-bundle')
    .description('write one file for whoever helps, without secrets and names')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--out <file>', 'the file to make (default: passback-cloud-support-TIME.tar.gz here)')
    .option('--log <file>', 'log lines; - reads standard input (default: logging.file)')
    .option('--lines <count>', 'how many of the last log lines', lineCount, 2_000)
    .option('--with-accounts', 'also names, and texts that may hold some')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', NOTES)
    .action((flags: BundleFlags) => bundle(flags, terminal));
}

function lineCount(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_LINES) return Number(text);
  throw new InvalidArgumentError(`expected a number up to ${MAX_LINES}`);
}

async function bundle(flags: BundleFlags, terminal: Terminal): Promise<void> {
  const file = configFileOf(flags);
  const now = Date.now();
  const withAccounts = flags.withAccounts === true;
  const config = await usable(file, terminal);
  const log = flags.log ?? config?.logging.file;
  const lines = log === undefined ? [] : await logLinesOf(log, () => terminal.readInput());
  const checks = await examine({ file, env: terminal.env, nodeVersion: process.version, now });
  const redacted = redactLog(lines, flags.lines, {
    codes: new Set(Object.keys(CODES)),
    isKnownPlace: (text) => text === config?.url,
    withAccounts,
  });
  const json = (name: string, content: unknown): ArchivedFile =>
    jsonFile(`passback-cloud-support/${name}`, content);
  const files = [
    json('version.json', versions(now)),
    json('configuration.json', await settingsOf(file, terminal)),
    json('doctor.json', redactChecks(checks, { isKnownKey, withAccounts })),
    {
      name: 'passback-cloud-support/log.jsonl',
      content: redacted.lines.map((line) => `${line}\n`).join(''),
    },
    json('manifest.json', {
      madeAt: timestamp(now),
      withAccounts,
      logLines: { kept: redacted.lines.length, notOurs: redacted.dropped },
    }),
  ];
  const path = resolve(flags.out ?? bundleName('passback-cloud', now));
  await writeBundle(path, files, now);
  const entries = files.map(({ name }) => name);
  terminal.print(
    flags.json === true
      ? JSON.stringify({ file: path, entries })
      : `Wrote ${path}: ${entries.map((name) => name.split('/').at(-1)).join(', ')}.`,
  );
}

function versions(now: number): unknown {
  const { version: node, platform } = process;
  const upSince = timestamp(now - Math.round(uptime()) * 1000);
  return { passback: packageVersion(), node, platform, release: release(), arch: arch(), upSince };
}

/** What is wrong with it is a part of the bundle. */
async function usable(file: string, { env }: Terminal): Promise<CloudConfig | undefined> {
  try {
    return await loadConfig(file, env);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Of a configuration that cannot be used nothing: what is wrong may be a secret in the wrong place. */
async function settingsOf(file: string, { env }: Terminal): Promise<unknown> {
  try {
    const settings = await effectiveSettings(file, env);
    const entries = settings.map(({ key, value = null, ...origin }) => [key, { value, ...origin }]);
    return { ok: true, settings: Object.fromEntries(entries) as unknown };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { ok: false, problems: error.problems.length };
  }
}
