import type { Client } from 'ldapts';
import type { AuditedWrite, PasswordAudit } from './audit-log.ts';
import { readAudit, writtenPasswords } from './audit.ts';
import type { LabController, LabDescription, LabPerson } from './description.ts';
import { docker } from './docker.ts';
import { kinit, type KerberosAnswer } from './kerberos.ts';
import { replicate } from './replication.ts';
import {
  ldapsClient,
  readNumber,
  readPasswordStates,
  readPasswordVersion,
  untilItAnswers,
  type PasswordState,
} from './ldaps.ts';

const RIGHTS = ['reset-password', 'lockout-time', 'pwd-last-set'] as const;

/** What the agent's account needs on OU=People: the control access right, and the write of two attributes. */
export type DelegatedRight = (typeof RIGHTS)[number];

const LOCKOUT_THRESHOLD = 5;
const RESTART_LIMIT_MS = 120_000;

/** A password that was written: whose, by whom, when, and on which controller. */
export interface LabWrite extends Omit<AuditedWrite, 'dn'> {
  readonly sam: string;
  readonly controller: number;
}

/** What all audit logs have to say, what they do not know included. See `PasswordAudit`. */
export interface LabAudit {
  readonly writes: readonly LabWrite[];
  readonly unended: readonly Omit<LabWrite, 'provenBy'>[];
  /** Each with the name of its controller. */
  readonly unreadable: readonly string[];
}

/** A running lab. Where a method takes a `controller`, it is an index of `controllers`; without one, the first. */
export interface Lab extends LabDescription {
  /** The account of the table with this sAMAccountName. Throws when there is none. */
  person(sam: string): LabPerson;
  /** An LDAPS client, not bound, that verifies the controller by its name. The caller unbinds it. */
  client(controller?: number): Client;
  /**
   * Every account, right and audit log as at the start, every controller running. About half a second.
   * Group memberships, names and places are not put back: tests do not change those.
   */
  reset(): Promise<void>;
  /** Whether Kerberos lets this account in with this password. See `KerberosAnswer` for the side effects. */
  kinit(sam: string, password: string, controller?: number): Promise<KerberosAnswer>;
  /** Locks the account as an attacker would, by wrong passwords. Rejects when it is not locked afterwards. */
  lock(sam: string, controller?: number): Promise<void>;
  /**
   * Passwords written since `reset()`, by sAMAccountName, counted over all controllers at their source.
   * Rejects when there may be some that the logs do not tell.
   */
  passwordWrites(): Promise<ReadonlyMap<string, number>>;
  /** The same one by one, in order on each controller. */
  passwordHistory(): Promise<readonly LabWrite[]>;
  /** The same with what the logs do not tell: for whoever kills controllers. */
  passwordAudit(): Promise<LabAudit>;
  /** Grows by one with each write. Two controllers that write at the same time may end at one number. */
  passwordVersion(sam: string, controller?: number): Promise<number>;
  /** Version and lock of everybody at once. */
  passwordStates(controller?: number): Promise<ReadonlyMap<string, PasswordState>>;
  /** '0' when the account is not locked. */
  lockoutTime(sam: string, controller?: number): Promise<string>;
  pwdLastSet(sam: string, controller?: number): Promise<string>;
  /** Ends the controller: connections break, new ones are refused. Its port stays its own. */
  stopController(controller: number): Promise<void>;
  /** Resolves when the controller answers on LDAPS again, at the same address and port. */
  startController(controller: number): Promise<void>;
  /** Freezes the controller: connections are taken and nothing is ever answered. */
  pauseController(controller: number): Promise<void>;
  unpauseController(controller: number): Promise<void>;
  /** Takes rights away from the agent's account until `restoreDelegation()` or `reset()`; without names, all of them. */
  denyRights(...rights: readonly DelegatedRight[]): Promise<void>;
  restoreDelegation(): Promise<void>;
  /** Lets the agent's account read the values of the fine-grained policies, as an administrator may choose to. */
  grantPolicyRead(): Promise<void>;
  revokePolicyRead(): Promise<void>;
  /** Resolves when what each controller has written is on all of them. */
  replicate(): Promise<void>;
}

/** A handle on a lab that runs already. Costs nothing; any number of processes may have one. */
export function connectLab(description: LabDescription): Lab {
  const at = (index = 0): LabController => {
    const controller = description.controllers[index];
    if (controller === undefined) throw new RangeError(`the lab has no controller ${index}`);
    return controller;
  };
  const person = (sam: string): LabPerson => {
    const found = description.people.find((candidate) => candidate.sam === sam);
    if (found === undefined) throw new RangeError(`the lab has no account ${sam}`);
    return found;
  };
  const number = (text: string) => (sam: string, controller?: number) =>
    readNumber(description, at(controller), { sam, text });

  const lab: Lab = {
    ...description,
    person,
    client: (controller) => ldapsClient(at(controller), description.ca),
    reset: () => reset(description),
    kinit: (sam, password, controller) => kinit(at(controller).containerId, sam, password),
    lock: (sam, controller) => lock(lab, person(sam), controller ?? 0),
    passwordWrites: () => passwordWrites(description),
    passwordHistory: () => passwordHistory(description),
    passwordAudit: () => passwordAudit(description),
    passwordVersion: (sam, controller) => readPasswordVersion(description, at(controller), sam),
    passwordStates: (controller) => readPasswordStates(description, at(controller)),
    lockoutTime: number('lockoutTime'),
    pwdLastSet: number('pwdLastSet'),
    stopController: (controller) => run('stop', at(controller), '--time', '3'),
    startController: (controller) => start(description, at(controller)),
    pauseController: (controller) => freeze(at(controller)),
    unpauseController: (controller) => run('unpause', at(controller)),
    denyRights: (...rights) => {
      const denied = new Set(rights.length === 0 ? RIGHTS : rights);
      return access(description, { delegation: RIGHTS.filter((right) => !denied.has(right)) });
    },
    restoreDelegation: () => access(description, { delegation: RIGHTS }),
    grantPolicyRead: () => access(description, { policyRead: true }),
    revokePolicyRead: () => access(description, { policyRead: false }),
    replicate: () => replicate(description.controllers, [description.baseDn]),
  };
  return lab;
}

async function run(
  verb: 'stop' | 'start' | 'pause' | 'unpause',
  controller: LabController,
  ...options: readonly string[]
): Promise<void> {
  await docker([verb, ...options, controller.containerId]);
}

/** The kernel gives up on freezing a process that is in the middle of a sync; a moment later it can. */
async function freeze(controller: LabController): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run('pause', controller);
      return;
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function start(lab: LabDescription, controller: LabController): Promise<void> {
  await run('start', controller);
  await untilItAnswers(lab, controller, RESTART_LIMIT_MS);
}

/** One command of `lab.py` on every controller, each on its own database: nobody waits for replication. */
async function everywhere(lab: LabDescription, command: string, input = ''): Promise<void> {
  await Promise.all(
    lab.controllers.map(({ containerId }) =>
      docker(['exec', '--interactive', containerId, 'python3', '/lab/lab.py', command], input),
    ),
  );
}

async function reset(lab: LabDescription): Promise<void> {
  for (const controller of lab.controllers) {
    const format = ['--format', '{{.State.Status}}'];
    const status = await docker(['inspect', ...format, controller.containerId]);
    if (status === 'paused') await run('unpause', controller);
    if (status === 'exited') await start(lab, controller);
  }
  await everywhere(lab, 'reset');
}

async function access(
  lab: LabDescription,
  wanted: { readonly delegation?: readonly DelegatedRight[]; readonly policyRead?: boolean },
): Promise<void> {
  await everywhere(lab, 'access', JSON.stringify(wanted));
}

async function lock(lab: Lab, account: LabPerson, controller: number): Promise<void> {
  for (let attempt = 0; attempt < LOCKOUT_THRESHOLD; attempt++) {
    const client = lab.client(controller);
    // Refused, and counted.
    await client.bind(account.dn, 'not-the-password').catch(() => undefined);
    await client.unbind();
  }
  if ((await lab.lockoutTime(account.sam, controller)) === '0') {
    throw new Error(`${account.sam} is not locked after ${LOCKOUT_THRESHOLD} wrong passwords`);
  }
}

async function passwordWrites(lab: LabDescription): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { sam } of await passwordHistory(lab)) counts.set(sam, (counts.get(sam) ?? 0) + 1);
  return counts;
}

async function passwordHistory(lab: LabDescription): Promise<readonly LabWrite[]> {
  const written = await fromEach(lab, writtenPasswords);
  return written.flatMap(({ from, controller }) => ofPeople(lab, from, controller));
}

async function passwordAudit(lab: LabDescription): Promise<LabAudit> {
  const audits = await fromEach<PasswordAudit>(lab, readAudit);
  return {
    writes: audits.flatMap(({ from, controller }) => ofPeople(lab, from.writes, controller)),
    unended: audits.flatMap(({ from, controller }) => ofPeople(lab, from.unended, controller)),
    unreadable: audits.flatMap(({ from, controller }) =>
      from.unreadable.map((piece) => `${lab.controllers[controller]?.name ?? ''}: ${piece}`),
    ),
  };
}

function fromEach<T>(
  { controllers }: LabDescription,
  read: (containerId: string) => Promise<T>,
): Promise<{ readonly from: T; readonly controller: number }[]> {
  return Promise.all(
    controllers.map(async ({ containerId }, controller) => ({
      from: await read(containerId),
      controller,
    })),
  );
}

/** Machines have passwords too. */
function ofPeople<T extends { readonly dn: string }>(
  { people }: LabDescription,
  writes: readonly T[],
  controller: number,
): (Omit<T, 'dn'> & { readonly sam: string; readonly controller: number })[] {
  const sams = new Map(people.map(({ dn, sam }) => [dn.toLowerCase(), sam]));
  return writes.flatMap(({ dn, ...write }) => {
    const sam = sams.get(dn);
    return sam === undefined ? [] : [{ sam, ...write, controller }];
  });
}
