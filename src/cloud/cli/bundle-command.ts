import type { Command } from 'commander';
import { CODES } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { redactChecks } from '../../support/bundle/redact-checks.ts';
import { redactLog } from '../../support/bundle/redact-log.ts';
import { scrub, scrubbedLines } from '../../support/bundle/scrub.ts';
import type { ArchivedFile } from '../../support/bundle/tar.ts';
import {
  addBundleOptions,
  finishBundle,
  versions,
  type BundleFlags as CommonFlags,
} from '../../support/bundle/bundle-command.ts';
import { redactSettings } from '../../support/bundle/redact-settings.ts';
import { jsonFile, logLinesOf } from '../../support/bundle/write-bundle.ts';
import { ConfigError } from '../../support/config-error.ts';
import { textOf } from '../../support/usage-error.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { effectiveSettings, isKnownKey, loadConfig } from '../config/load-config.ts';
import { examine } from '../doctor/doctor.ts';
import { askStatus } from './ask-status.ts';
import { secretsOf } from './bundle-secrets.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFileOf,
  DATA_FLAG,
  DATA_HELP,
  refuseAsRoot,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

type BundleFlags = CommonFlags & PlaceFlags;

const NOTES = `
Examples:
  passback-cloud support-bundle --data /var/lib/passback-cloud
  journalctl -u passback-cloud -o cat -n 5000 | passback-cloud support-bundle --data /var/lib/passback-cloud --log -

One .tar.gz for whoever helps you: version, settings, status.json, what doctor finds, and the last log lines. Only
known settings and known fields of known events go in, never a key, the database or the content of a file; without
--with-accounts no callers, addresses, or sentences in log lines. Look into it before you send it.`;

/** Adds `support-bundle`. */
export function addBundleCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command('support-bundle')
    .description('write one file for whoever helps, without secrets and names')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP);
  addBundleOptions(command, 'passback-cloud')
    .addHelpText('after', NOTES)
    .action((flags: BundleFlags) => bundle(flags, terminal));
}

async function bundle(flags: BundleFlags, terminal: Terminal): Promise<void> {
  const file = configFileOf(flags);
  await refuseAsRoot(file, terminal);
  await textOf(file, flags.config === undefined ? '--data' : '--config'); // a wrong path is no wrong configuration
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
  const settings = await redactSettings(() => effectiveSettings(file, terminal.env), {
    isKnownKey,
    hides: () => false,
  });
  const texts = await secretsOf(config);
  const json = (name: string, content: unknown): ArchivedFile =>
    jsonFile(`passback-cloud-support/${name}`, scrub(content, texts));
  const files = [
    json('version.json', versions(now)),
    json('configuration.json', settings),
    json('status.json', await statusOf(config)),
    json('doctor.json', redactChecks(checks, { isKnownKey, withAccounts })),
    scrubbedLines('passback-cloud-support/log.jsonl', redacted.lines, texts),
    json('manifest.json', {
      madeAt: timestamp(now),
      withAccounts,
      logLines: { kept: redacted.lines.length, notOurs: redacted.dropped },
    }),
  ];
  const hasLog = log !== undefined;
  terminal.print(
    await finishBundle(flags, {
      ...{ program: 'passback-cloud', files, hasLog, now },
      notOurs: redacted.dropped,
    }),
  );
}

function statusOf(config: CloudConfig | undefined): ReturnType<typeof askStatus> {
  if (config === undefined) return Promise.resolve({ problem: 'where it is asked is not known' });
  return askStatus(config.health);
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
