import type { Stats } from 'node:fs';
import { access, constants, open, readdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  failed,
  passed,
  skipped,
  warned,
  type Commands,
  type Finding,
} from '../../support/checks.ts';
import type { Clock } from '../../support/clock.ts';
import { isFault, messageOf } from '../../support/errors.ts';
import { fileFailure } from '../../support/file-failure.ts';
import { knownVersion } from '../../support/folder-version.ts';
import { shellWord } from '../../support/shell-word.ts';
import { JournalError } from '../commands/journal-error.ts';
import { scanRecords } from '../commands/journal-file.ts';
import { readTrips } from '../commands/guard/breaker-file.ts';
import { pauseAt, readOrders } from '../commands/guard/local-orders.ts';
import { readIdentity, type StoredIdentity } from '../identity/load-identity.ts';
import { STATE_STEPS, STATE_VERSION } from '../identity/state-version.ts';

const MIN_FREE_BYTES = 64 * 2 ** 20;
const DAY_MS = 86_400_000;
const WARN_BEFORE_MS = 30 * DAY_MS;

/**
 * Looks whether an agent of this account, or as root of the one that owns it, could keep its state there,
 * and leaves it as it is.
 */
export async function lookAtFolder(folder: string, uid = process.geteuid?.()): Promise<Finding> {
  let found: Stats;
  try {
    found = await stat(folder);
  } catch (error) {
    return absentFolder(folder, error);
  }
  if (!found.isDirectory()) return failed(`${folder} is a file`, 'Name a folder in stateFolder.');
  const problem = uid === undefined ? undefined : accessProblem(folder, found, uid);
  if (problem !== undefined) return problem;
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return failed(
      `${folder} ${fileFailure(error)}, so that nothing can be kept there`,
      'Let the account of the agent write there (mount it read-write; with systemd: StateDirectory= or ReadWritePaths=).',
    );
  }
  const isForeign = uid !== undefined && uid !== found.uid;
  return room(folder, isForeign ? `writable for its account (uid ${found.uid})` : 'writable');
}

function accessProblem(
  folder: string,
  { mode, uid: owner }: Stats,
  uid: number,
): Finding | undefined {
  if ((mode & 0o077) !== 0) {
    const commands = [
      { where: 'as its owner, or root', lines: [`chmod 700 ${shellWord(folder)}`] },
    ];
    return failed(`other accounts can enter ${folder}, which holds private keys`, 'Close it:', {
      commands,
    });
  }
  if (uid !== owner && uid !== 0) return otherOwner(folder, owner, uid);
  if ((mode & 0o700) === 0o700) return undefined;
  const found = `${folder} is closed to the account that owns it (uid ${owner}), so that nothing can be kept there`;
  return failed(found, 'Open it:', {
    commands: [{ where: 'as its owner, or root', lines: [`chmod 700 ${shellWord(folder)}`] }],
  });
}

async function absentFolder(folder: string, error: unknown): Promise<Finding> {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
    return failed(
      `${folder} ${fileFailure(error)}`,
      'Run this as the account of the agent, or let that account enter all folders above it.',
    );
  }
  let parent = dirname(folder);
  while (parent !== dirname(parent) && !(await isThere(parent))) parent = dirname(parent);
  try {
    await access(parent, constants.W_OK | constants.X_OK);
    return passed(`${folder} is not there yet; passback enroll makes it`);
  } catch {
    const lines = [`sudo install -d -m 0700 -o passback -g passback ${shellWord(folder)}`];
    return failed(
      `${folder} is not there, and this account may not make it in ${parent}`,
      'Make it for the account that runs the agent:',
      { commands: [{ where: 'as root', lines }] },
    );
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function otherOwner(folder: string, owner: number, uid: number): Finding {
  const lines = [`sudo passback doctor …`, `sudo chown -R <account> ${shellWord(folder)}`];
  const commands = [{ where: 'either ask as root, or give the folder away', lines }];
  return failed(
    `${folder} belongs to another account (uid ${owner}, this is ${uid})`,
    'Only its owner can run the agent on it.',
    { commands },
  );
}

async function room(folder: string, writable: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder);
  const free = Math.round((bavail * bsize) / 2 ** 20);
  if (bavail * bsize < MIN_FREE_BYTES) {
    return warned(
      `${folder}: only ${free} MiB are free`,
      'Make room: without it nothing is begun.',
    );
  }
  return passed(`${folder} is private, ${writable}, with ${free} MiB free`);
}

export interface LookedIdentity {
  readonly finding: Finding;
  readonly identity?: StoredIdentity;
}

const TOKEN_COMMAND =
  'passback-cloud token --directory DIRECTORY --url URL --key-file ./admin.key --out ./enroll.token';

/** A command of this program that can be pasted: with the configuration that was looked at. */
export type Paste = (command: string) => string;

export function pasteWith(configFile: string | undefined): Paste {
  const config = configFile === undefined ? '' : ` --config ${shellWord(configFile)}`;
  return (command) => `passback ${command}${config}`;
}

function enrolCommands(paste: Paste): readonly Commands[] {
  return [
    { where: 'where the key of an administrator of the service is', lines: [TOKEN_COMMAND] },
    {
      where: 'here, as the account of the agent, or as root',
      lines: [paste('enroll --url URL --token-file ./enroll.token')],
    },
  ];
}

/** Reads what enrolment has left there, if it has. */
export async function lookAtEnrolment(
  folder: string,
  clock: Clock,
  paste: Paste,
): Promise<LookedIdentity> {
  const names = await readdir(folder).catch(() => [] as string[]);
  try {
    const version = await knownVersion(folder, STATE_STEPS);
    if (!names.includes('identity.json'))
      return { finding: notEnrolled(folder, names, enrolCommands(paste)) };
    if (version < STATE_VERSION) return { finding: ofBefore(version) };
    const identity = await readIdentity(folder, clock);
    return { finding: enrolled(identity, clock.now()), identity };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { finding: failed(messageOf(error), 'Do what it says.') };
  }
}

function notEnrolled(
  folder: string,
  names: readonly string[],
  commands: readonly Commands[],
): Finding {
  if (names.includes('device-key.json')) {
    return failed(
      `an enrolment was begun in ${folder} and not finished: the token was refused or is used up (it works once, within an hour)`,
      'Make a new token and enrol again; nothing has to be cleaned up:',
      { commands },
    );
  }
  return warned(`${folder} holds no identity: this machine is not enrolled`, 'Enrol it:', {
    commands,
  });
}

/** Its files may be written in a way that only the steps to today's version can read. */
function ofBefore(version: number): Finding {
  return skipped(
    `the state folder is of version ${version}; the next start of the agent brings it to ${STATE_VERSION}`,
  );
}

function enrolled({ agentId, directory, device, trust }: StoredIdentity, now: number): Finding {
  const who = `agent ${agentId} of ${directory}, fingerprint ${device.kid}, state version ${STATE_VERSION}`;
  const leftMs = trust.expiresAt - now;
  if (leftMs > WARN_BEFORE_MS) return passed(who);
  const commands = [
    { where: 'where the root key of the service is', lines: ['passback-cloud keys rotate'] },
  ];
  const set = `key set ${trust.number} of the service`;
  return leftMs <= 0
    ? failed(`${who}; ${set} has expired, so that no command is believed`, 'Rotate:', { commands })
    : warned(`${who}; ${set} ends in ${Math.floor(leftMs / DAY_MS)} days`, 'Rotate:', { commands });
}

/** Reads what the agent remembers, as its start would. */
export async function lookAtJournal(folder: string): Promise<Finding> {
  const path = join(folder, 'journal.jsonl');
  if (!(await isThere(path))) return skipped('there is none yet; the first start makes it');
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const { records } = await scanRecords({ file, path, size }, () => undefined);
    return passed(`${records} records, none damaged`);
  } catch (error) {
    if (!(error instanceof JournalError)) return unreadable(path, error);
    return failed(error.message, error.code === 'JOURNAL_NEWER' ? 'Do what it says.' : RESTORE);
  }
}

function unreadable(path: string, error: unknown): Finding {
  const isClosed = (error as NodeJS.ErrnoException).code === 'EACCES';
  const found = `${path} ${fileFailure(error)}`;
  if (!isClosed) return failed(found, RESTORE);
  return failed(found, 'Give it to the account that runs the agent (chown), or ask as root.');
}

const RESTORE =
  'Do not put an older one back: what was done since would be forgotten. Without the journal enrol again; the service then knows it as another agent.';

/** What somebody has ordered at this machine, and what stopped itself. */
export async function lookAtOrders(
  folder: string,
  { dryRun, now, paste }: { readonly dryRun: boolean; readonly now: number; readonly paste: Paste },
): Promise<readonly Finding[]> {
  const orders = await readOrders(folder);
  const findings = [
    ...pauseFindings(folder, orders, { now, commands: here(paste('resume')) }),
    ...(await breakerFindings(folder, orders, here(paste('resume --breaker')))),
    ...(dryRun
      ? [warned('dry run: nothing is written', 'Set guard.dryRun to false and restart the agent.')]
      : []),
  ];
  if (findings.length > 0) return findings;
  return (await isThere(folder))
    ? [passed('no pause, no open breaker, no dry run')]
    : [skipped(`there is no ${folder} yet`)];
}

type Orders = Awaited<ReturnType<typeof readOrders>>;

function here(line: string): readonly Commands[] {
  return [{ where: 'here, as the account of the agent, or as root', lines: [line] }];
}

function pauseFindings(
  folder: string,
  orders: Orders,
  { now, commands }: { readonly now: number; readonly commands: readonly Commands[] },
): readonly Finding[] {
  if (orders.type === 'unusable') {
    const found = `${join(folder, 'local-orders.json')} ${orders.why}, which counts as paused`;
    return [failed(found, 'Say what holds:', { commands })];
  }
  const pause = orders.type === 'read' ? pauseAt(orders.content, now) : undefined;
  if (pause === undefined) return [];
  const { since, until = 'somebody resumes it', reason } = pause;
  const found = `paused at this machine since ${since} until ${until}`;
  return [warned(found, 'When the reason is gone:', { commands, local: { reason: [reason] } })];
}

async function breakerFindings(
  folder: string,
  orders: Orders,
  commands: readonly Commands[],
): Promise<readonly Finding[]> {
  const trips = await readTrips(folder);
  const resumed = orders.type === 'read' ? (orders.content.resumed?.trips ?? []) : [];
  const open = trips === 'damaged' || trips.some(({ id }) => !resumed.includes(id));
  if (!open) return [];
  return [
    warned(
      'the breaker has stopped everything, or a caller, after unusually many operations',
      'Find out who caused them (the log names the actor), then:',
      { commands },
    ),
  ];
}
