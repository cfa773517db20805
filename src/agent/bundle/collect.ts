import { readFile } from 'node:fs/promises';
import { CODES } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { redactChecks } from '../../support/bundle/redact-checks.ts';
import { versions } from '../../support/bundle/bundle-command.ts';
import { redactLog } from '../../support/bundle/redact-log.ts';
import { redactSettings } from '../../support/bundle/redact-settings.ts';
import { scrub, scrubbedLines, type Scrubbed } from '../../support/bundle/scrub.ts';
import type { ArchivedFile } from '../../support/bundle/tar.ts';
import { jsonFile } from '../../support/bundle/write-bundle.ts';
import type { CheckResult } from '../../support/checks.ts';
import { readSecretFile } from '../../support/secret-file.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { effectiveSettings, type ConfigSource } from '../config/load-config.ts';
import { readState } from '../identity/state-files.ts';
import { journalStatistics } from './journal-statistics.ts';
import { isKnownKey, NAMES_ACCOUNTS } from './redact-settings.ts';
import { redactStatus } from './redact-status.ts';

export interface BundleOptions {
  readonly source: ConfigSource;
  /** Absent: it cannot be used. */
  readonly config: AgentConfig | undefined;
  readonly stateFolder: string;
  readonly checks: readonly CheckResult[];
  /** What the running agent says of itself; undefined: none answers. */
  readonly status: unknown;
  readonly logLines: readonly string[];
  /** How many of them. */
  readonly lines: number;
  /** Names of accounts, what people typed, and sentences that may hold some, too. */
  readonly withAccounts: boolean;
  readonly now: number;
}

export interface Collected {
  readonly files: readonly ArchivedFile[];
  /** Lines of the log that are not the agent's. */
  readonly notOurs: number;
}

/** The files of a support bundle: known settings, fields and numbers, and nothing else. */
export async function collectBundle(
  options: BundleOptions,
  readSecret = readSecretFile,
): Promise<Collected> {
  const { source, stateFolder, checks, status, withAccounts } = options;
  const texts = await textsToScrub(options, readSecret);
  const log = redactLog(options.logLines, options.lines, {
    codes: new Set([...Object.keys(CODES), 'ALLOWED']),
    isKnownPlace: knownPlaces(options.config),
    withAccounts,
  });
  const settings = await redactSettings(() => effectiveSettings(source), {
    isKnownKey,
    hides: (key) => !withAccounts && NAMES_ACCOUNTS.has(key),
  });
  const json = (name: string, content: unknown): ArchivedFile =>
    jsonFile(`passback-support/${name}`, scrub(content, texts));
  const files = [
    json('version.json', versions(options.now)),
    json('configuration.json', settings),
    json('status.json', redactStatus(status, withAccounts)),
    json('doctor.json', redactChecks(checks, { isKnownKey, withAccounts })),
    json('journal.json', await journalStatistics(stateFolder)),
    scrubbedLines('passback-support/log.jsonl', log.lines, texts),
    json('manifest.json', {
      madeAt: timestamp(options.now),
      withAccounts,
      logLines: { kept: log.lines.length, notOurs: log.dropped },
      leftOut: LEFT_OUT,
    }),
  ];
  return { files, notOurs: log.dropped };
}

const LEFT_OUT =
  'The content of every file that a setting names, keys, tokens, what is not a known setting or a known field of a known event; without --with-accounts also names of accounts, what people typed, and sentences in log lines.';

function knownPlaces(config: AgentConfig | undefined): (text: string) => boolean {
  const { domain, domainControllers = [] } = config?.directory ?? {};
  const names = domainControllers.map(({ name }) => name.toLowerCase());
  const urls = new Set(config?.service.urls);
  const suffix = domain === undefined ? undefined : `.${domain.toLowerCase()}`;
  return (text) => {
    const name = text.toLowerCase();
    const isHost = /^[a-z0-9.-]+$/.test(name);
    return (
      urls.has(text) ||
      (isHost && (names.includes(name) || (suffix !== undefined && name.endsWith(suffix))))
    );
  };
}

/** What must not be in it however it came there. */
async function textsToScrub(
  { config, stateFolder, withAccounts }: BundleOptions,
  readSecret: typeof readSecretFile,
): Promise<readonly Scrubbed[]> {
  const { bind } = config?.directory ?? {};
  const secretFiles = [bind?.passwordFile, config?.service.proxy?.credentialsFile];
  const paths = secretFiles.filter((path) => path !== undefined);
  // A protected one (DPAPI) holds another text than what must not leave: both count.
  const contents = await Promise.all(
    paths.flatMap((path) => [textOf(path), secretOf(path, readSecret)]),
  );
  // Of `user:password` each half by itself as well.
  const secrets = contents.flatMap((text) => [text, ...text.split(':')]);
  const keys = await privateKeys(stateFolder);
  return [
    ...[...secrets, ...keys].map((text) => ({ text, by: '[secret]' })),
    ...(withAccounts || bind === undefined ? [] : [{ text: bind.user, by: '[service account]' }]),
  ];
}

/** Empty for what is not there, or not to be read. */
async function textOf(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(() => '')).replace(/\r?\n$/, '');
}

/** Empty also for what only another account can open. */
async function secretOf(path: string, readSecret: typeof readSecretFile): Promise<string> {
  return readSecret(path).then(
    (secret) => secret.reveal(),
    () => '',
  );
}

async function privateKeys(stateFolder: string): Promise<readonly string[]> {
  // What is damaged is a finding of the doctor's.
  const device = await readState(stateFolder, 'device').catch(() => undefined);
  const sealing = await readState(stateFolder, 'sealing').catch(() => undefined);
  const keys = [device, ...(sealing?.keys ?? []).map((entry) => entry.private)];
  return keys.flatMap((key) => key?.d ?? []);
}
