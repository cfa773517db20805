import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import { registerEventSource, unregisterEventSource } from '../../support/windows/event-source.ts';
import { ownSid } from '../../support/windows/file-security.ts';
import type { Native } from '../../support/windows/native.ts';
import { WindowsError } from '../../support/windows/windows-error.ts';
import { defaultConfig, defaultStateFolder, windowsFolder } from '../config/settings.ts';
import { closableFiles } from '../windows/closable-files.ts';
import { closeFolder } from '../windows/close-folders.ts';
import { commandLine, configIn } from '../windows/command-line.ts';
import { accountSid, serviceAccount, type ServiceAccount } from '../windows/service-account.ts';
import {
  findService,
  putService,
  removeService,
  stopService,
  type InstalledService,
} from '../windows/service-manager.ts';

const DISPLAY_NAME = 'Passback agent';
const DESCRIPTION =
  'Applies password resets and unlocks from the reset service to Active Directory. Needs no inbound port.';

/** The file beside the program that has the texts of the events. */
const MESSAGE_FILE = 'passback-events.dll';

/** A drain (`drainMs`) and what follows it. */
const STOP_LIMIT_MS = 90_000;
const LOOK_MS = 250;

export interface InstallFlags {
  readonly name: string;
  readonly config?: string;
  readonly account?: string;
}

export interface InstallOptions {
  readonly flags: InstallFlags;
  readonly env: Environment;
  /** Asked for when the account has one. */
  readonly password: (account: string) => Promise<string>;
}

/** Makes the service, its folders and its events what they have to be. Answers what was done, in words. */
export async function installService(
  native: Native,
  { flags, env, password }: InstallOptions,
): Promise<readonly string[]> {
  const { name } = flags;
  if (!/^[\w.-]{1,80}$/.test(name)) {
    throw new UsageError('--name: expected 1 to 80 letters, digits, dots, dashes');
  }
  const there = findService(native, name);
  refuseForeign(name, there?.commandLine);
  const config = configFor(there, { flags, env });
  // An upgrade says nothing about the account: then the service keeps the one it has, and its password.
  const kept = flags.account === undefined ? there?.account : undefined;
  const account =
    kept === undefined ? serviceAccount(name, flags.account) : { name: kept, needsPassword: false };
  const secret = account.needsPassword ? await password(account.name) : undefined;
  const closed = await closeFolders(native, { account, former: there?.account, env });
  const skipped = putService(native, {
    ...{ name, displayName: DISPLAY_NAME, description: DESCRIPTION },
    ...(kept === undefined && { account: account.name }),
    commandLine: commandLine([...program(), 'run', '--service', name, '--config', config]),
    ...(secret !== undefined && { password: secret }),
  });
  return [
    `The service ${name} ${there === undefined ? 'is installed' : 'was there and has been renewed'}; it runs as ${account.name}.`,
    ...skipped.map((what) => `  ${what}`),
    ...closed,
    ...registerEvents(native),
    ...(existsSync(config) ? [] : [`${config} does not exist yet: write it before you start.`]),
    ...next(name, { config, account }),
  ];
}

/** An upgrade says nothing about the file: then the service keeps the one it has. */
function configFor(
  there: InstalledService | undefined,
  { flags, env }: Pick<InstallOptions, 'flags' | 'env'>,
): string {
  return resolve(flags.config ?? configIn(there?.commandLine ?? '') ?? defaultConfig(env));
}

function next(
  name: string,
  { config, account }: { readonly config: string; readonly account: ServiceAccount },
): readonly string[] {
  const right = account.needsPassword
    ? [
        `${account.name} needs the right “Log on as a service” (secpol.msc, User Rights Assignment).`,
      ]
    : [];
  return [
    ...right,
    `Next: passback enroll --url https://… --token-file FILE ${commandLine(['--config', config])}   (unless it is enrolled)`,
    `then: Start-Service ${name}`,
  ];
}

/** Stops and removes the service and its source of events. Idempotent. */
export async function uninstallService(native: Native, name: string): Promise<readonly string[]> {
  const there = findService(native, name);
  if (there === undefined) return [`There is no service ${name}: nothing to do.`];
  refuseForeign(name, there.commandLine);
  if (stopService(native, name)) await stopped(native, name);
  removeService(native, name);
  unregisterEventSource(native);
  return [
    `The service ${name} is removed.`,
    'Configuration, secrets and state are still there; delete their folder when nothing shall be left, and revoke the agent: passback-cloud agent revoke.',
  ];
}

async function stopped(native: Native, name: string): Promise<void> {
  const until = Date.now() + STOP_LIMIT_MS;
  while (Date.now() < until) {
    const state = findService(native, name)?.state;
    if (state === undefined || state === 'stopped') return;
    await sleep(LOOK_MS);
  }
  throw new UsageError(
    `the service ${name} has not stopped within ${STOP_LIMIT_MS / 1000} s: look at its log, end its process, then try again`,
  );
}

function refuseForeign(name: string, theirs: string | undefined): void {
  if (theirs === undefined || theirs.includes('run --service')) return;
  throw new UsageError(
    `a service ${name} exists already and is not Passback's (${theirs}): name another with --name`,
  );
}

/** Node.js and the file it starts with, wherever this was installed. */
function program(): readonly [string, string] {
  const [node = process.execPath, script = ''] = process.argv;
  return [node, resolve(script)];
}

interface FolderUsers {
  readonly account: ServiceAccount;
  /** What the service ran as before. */
  readonly former: string | undefined;
  readonly env: Environment;
}

/**
 * Windows lets every account read what is new in ProgramData, and make folders in it: the keys are for the
 * service alone, whoever has been there before. Idempotent.
 */
async function closeFolders(
  native: Native,
  { account, former, env }: FolderUsers,
): Promise<readonly string[]> {
  const files = closableFiles(native);
  const outer = windowsFolder(env);
  const state = defaultStateFolder(env);
  const service = accountSid(native, account);
  const users = {
    service,
    installer: ownSid(native),
    writers: [service, ...formerSid(native, former)],
  };
  await closeFolder(files, { ...users, folder: outer, access: 'enter', apart: state });
  await closeFolder(files, { ...users, folder: state, access: 'modify' });
  return [
    `${outer} and what is in it belongs to administrators, and is open to the service for reading; ${state} for writing, too.`,
  ];
}

/** Nothing for an account that is gone: what it owns has to be looked at. */
function formerSid(native: Native, former: string | undefined): readonly string[] {
  if (former === undefined) return [];
  try {
    return [accountSid(native, { name: former, needsPassword: false })];
  } catch (error) {
    if (error instanceof WindowsError) return [];
    throw error;
  }
}

function registerEvents(native: Native): readonly string[] {
  const [, script] = program();
  const file = join(dirname(script), MESSAGE_FILE);
  if (!existsSync(file)) {
    return [`${file} is missing: the Event Log will show numbers and facts without a text.`];
  }
  registerEventSource(native, file);
  return [];
}
