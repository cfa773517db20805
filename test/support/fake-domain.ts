import {
  DirectoryError,
  type AccountAddress,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
  type ClockReading,
  type Directory,
  type ReadOptions,
  type SelfTest,
  type WriteTarget,
} from '../../src/agent/directory/directory.ts';
import { toFiletime } from '../../src/agent/directory/filetime.ts';
import type { ControllerHealth } from '../../src/protocol/status.ts';
import type { Clock } from '../../src/support/clock.ts';
import { ORDINARY } from './ordinary-account.ts';

export const DC1 = 'dc1.corp.test';
export const DC2 = 'dc2.corp.test';

const INVOCATIONS = {
  [DC1]: '00000000-0000-4000-8000-0000000000d1',
  [DC2]: '00000000-0000-4000-8000-0000000000d2',
} as const;

type Name = keyof typeof INVOCATIONS;

const NAMES = [DC1, DC2] as const;

type Copy = Pick<AccountReading, 'pwdLastSet' | 'lockoutTime' | 'locked' | 'usnChanged'> &
  Partial<Pick<AccountReading, 'adminCount' | 'distinguishedName'>> & {
    readonly password: string;
    readonly metadata: NonNullable<AccountReading['unicodePwd']>;
  };

/** What happens to the next write: the answer is lost, it is carried out late, or it never arrives. */
export type Mishap = 'answer-lost' | 'never-arrives' | { readonly lateByMs: number };

export interface FakeDomainOptions {
  readonly clock: Clock;
  /** Whether the service account may read replication metadata. Default is true. */
  readonly metadata?: boolean;
  readonly controllers?: readonly Name[];
}

/** A domain in memory whose controllers replicate when told to, and whose writes are counted one by one. */
export class FakeDomain implements Directory {
  /** Every password that was written, with where. */
  readonly written: { readonly controller: string; readonly password: string }[] = [];
  unlocks = 0;
  /** How many wrong old passwords were offered: in a domain they lock an account out. */
  wrongPasswords = 0;
  readonly silent = new Set<string>();
  /** Replicates at once, as a healthy domain nearly does. */
  replicates = true;
  /** How far the clock of each is ahead of everybody else's. */
  readonly aheadMs: Record<Name, number> = { [DC1]: 0, [DC2]: 0 };
  /** Whose clocks nobody has asked for. */
  readonly unheard = new Set<Name>();
  /** How long it took to be told the time, of which nothing is known but that it was told meanwhile. */
  clockTookMs = 0;
  readonly #clock: Clock;
  readonly #metadata: boolean;
  readonly #copies = new Map<Name, Map<string, Copy>>();
  readonly #mishaps: Mishap[] = [];
  #late: { readonly at: number; readonly run: (nowMs: number) => void }[] = [];
  #usn = 1_000;
  #ticks = 0n;

  constructor({ clock, metadata = true, controllers = [DC1] }: FakeDomainOptions) {
    this.#clock = clock;
    this.#metadata = metadata;
    for (const name of controllers) this.#copies.set(name, new Map());
  }

  /** Adds an account to every controller and answers its objectGuid. */
  add(facts: Partial<Copy> = {}): string {
    const objectGuid = `00000000-0000-4000-8000-${this.#nextUsn().padStart(12, '0')}`;
    const changedAt = new Date(this.#clock.now() - 86_400_000).toISOString();
    const metadata = { version: 1, changedAt, invocationId: INVOCATIONS[DC1], usn: '7' };
    const pwdLastSet = toFiletime(this.#clock.now() - 86_400_000);
    const fresh = { password: 'Old-Password-1', lockoutTime: '0', locked: false };
    for (const copies of this.#copies.values()) {
      const usnChanged = this.#nextUsn();
      copies.set(objectGuid, { ...fresh, metadata, pwdLastSet, usnChanged, ...facts });
    }
    return objectGuid;
  }

  /** What becomes of the next writes, in order. */
  befall(...mishaps: readonly Mishap[]): void {
    this.#mishaps.push(...mishaps);
  }

  /** What somebody else writes. */
  resetByAdmin(objectGuid: string, password: string, mustChange = false, on: Name = DC1): void {
    this.#setPassword(on, objectGuid, { password, mustChange, nowMs: this.#clock.now() });
  }

  /** A change that is not one of the password. */
  touch(objectGuid: string, facts: Partial<Copy> = {}, on: Name = DC1): void {
    this.#store(on, objectGuid, facts);
  }

  remove(objectGuid: string): void {
    for (const copies of this.#copies.values()) copies.delete(objectGuid);
  }

  passwordOf(objectGuid: string, on: Name = DC1): string {
    this.#carryOutLate();
    return this.#copy(on, objectGuid).password;
  }

  /** Brings the newest of everything to every controller that is not silent. */
  replicate(): void {
    const reachable = [...this.#copies].filter(([name]) => !this.silent.has(name));
    for (const objectGuid of this.#copies.get(DC1)?.keys() ?? []) {
      const newest = reachable
        .map(([name]) => this.#copy(name, objectGuid))
        .reduce((a, b) => (isNewer(b, a) ? b : a));
      for (const [, copies] of reachable) {
        const own = copies.get(objectGuid);
        if (own === newest || own === undefined) continue;
        copies.set(objectGuid, { ...newest, usnChanged: this.#nextUsn() });
      }
    }
  }

  async read(
    address: AccountAddress,
    signal: AbortSignal,
    { only }: ReadOptions = {},
  ): Promise<AccountReading> {
    this.#carryOutLate();
    const name = [...this.#copies.keys()].find(
      (candidate) => !this.silent.has(candidate) && (only ?? candidate) === candidate,
    );
    if (name === undefined || signal.aborted) throw unreachable(only);
    if (!('objectGuid' in address)) throw new TypeError('by objectGuid only');
    const { objectGuid } = address;
    const { metadata, password: _, ...copy } = this.#copy(name, objectGuid);
    const writer = NAMES.find((one) => INVOCATIONS[one] === metadata.invocationId);
    return {
      ...ORDINARY,
      samAccountName: 'ann',
      sid: 'S-1-5-21-1000-2000-3000-1101',
      distinguishedName: 'CN=ann,OU=People,DC=corp,DC=test',
      ...copy,
      objectGuid,
      controller: name,
      invocationId: INVOCATIONS[name],
      controllerTimeMs: this.#timeOf(name).ms,
      controllerTimeUnsureMs: this.clockTookMs,
      readAtMs: this.#clock.now(),
      mustChange: copy.pwdLastSet === '0',
      ...(this.#metadata && { unicodePwd: metadata }),
      ...(this.#metadata &&
        writer !== undefined &&
        !this.unheard.has(writer) && { writerTime: this.#timeOf(writer) }),
    };
  }

  async apply(
    { objectGuid, controller }: WriteTarget,
    change: AccountChange,
    signal: AbortSignal,
  ): Promise<AppliedChange> {
    this.#carryOutLate();
    const name = controller as Name;
    if (this.silent.has(name) || signal.aborted) throw unreachable(name);
    const mishap = this.#mishaps.shift();
    const run = (nowMs: number): void => {
      this.#carryOut(name, { objectGuid, change, nowMs });
    };
    if (mishap === undefined) {
      run(this.#clock.now());
      const { pwdLastSet } = this.#copy(name, objectGuid);
      return { pwdLastSet, historyEnforced: change.op === 'change' };
    }
    if (typeof mishap === 'object') {
      this.#late.push({ at: this.#clock.monotonic() + mishap.lateByMs, run });
    } else if (mishap === 'answer-lost') {
      unheard(() => {
        run(this.#clock.now());
      });
    }
    throw new DirectoryError('INDETERMINATE', 'cut', { controller });
  }

  check(): Promise<readonly ControllerHealth[]> {
    return Promise.resolve([]);
  }

  selfTest(): Promise<SelfTest> {
    return Promise.resolve({ controller: DC1, rights: [] });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** The answer that came last was made at its very beginning: the clock is taken for the earliest. */
  #timeOf(name: Name): ClockReading {
    const ms = this.#clock.now() + this.aheadMs[name] - this.clockTookMs;
    return { ms, unsureMs: this.clockTookMs };
  }

  #carryOutLate(): void {
    const now = this.#clock.monotonic();
    const due = this.#late.filter(({ at }) => at <= now);
    this.#late = this.#late.filter(({ at }) => at > now);
    for (const { at, run } of due) {
      unheard(() => {
        run(this.#clock.now() - (now - at));
      });
    }
  }

  #carryOut(
    name: Name,
    { objectGuid, change, nowMs }: { objectGuid: string; change: AccountChange; nowMs: number },
  ): void {
    const unlocked = { lockoutTime: '0', locked: false };
    if (change.op === 'unlock') {
      this.unlocks += 1;
      this.#store(name, objectGuid, unlocked);
      return;
    }
    if (
      change.op === 'change' &&
      change.oldPassword.reveal() !== this.#copy(name, objectGuid).password
    ) {
      this.wrongPasswords += 1;
      throw new DirectoryError('WRONG_PASSWORD', 'the old password is wrong', { controller: name });
    }
    const password = change.password.reveal();
    this.written.push({ controller: name, password });
    if (change.op === 'reset' && change.unlock) this.#store(name, objectGuid, unlocked);
    const mustChange = change.op === 'reset' && change.mustChange;
    this.#setPassword(name, objectGuid, { password, mustChange, nowMs });
  }

  #setPassword(
    name: Name,
    objectGuid: string,
    { password, mustChange, nowMs }: { password: string; mustChange: boolean; nowMs: number },
  ): void {
    const { metadata } = this.#copy(name, objectGuid);
    const setAt = nowMs + this.aheadMs[name];
    const second = new Date(setAt - (setAt % 1000)).toISOString();
    const invocationId = INVOCATIONS[name];
    this.#store(name, objectGuid, {
      password,
      pwdLastSet: mustChange ? '0' : String(BigInt(toFiletime(setAt)) + ++this.#ticks),
      metadata: {
        version: metadata.version + 1,
        changedAt: second,
        invocationId,
        usn: this.#nextUsn(),
      },
    });
  }

  #store(name: Name, objectGuid: string, facts: Partial<Copy>): void {
    const before = this.#copy(name, objectGuid);
    this.#copies.get(name)?.set(objectGuid, { ...before, usnChanged: this.#nextUsn(), ...facts });
    if (this.replicates) this.replicate();
  }

  #copy(name: Name, objectGuid: string): Copy {
    const found = this.#copies.get(name)?.get(objectGuid);
    if (found !== undefined) return found;
    throw new DirectoryError('ACCOUNT_NOT_FOUND', 'there is no such account');
  }

  #nextUsn(): string {
    this.#usn += 1;
    return String(this.#usn);
  }
}

/** Active Directory's rule of conflicts: version, then time, then who (MS-DRSR 4.1.10.5.4). */
function isNewer(a: Copy, b: Copy): boolean {
  const rank = ({ metadata, usnChanged }: Copy): string =>
    [String(metadata.version).padStart(9, '0'), metadata.changedAt, usnChanged].join();
  return rank(a) > rank(b);
}

/** Carries something out; a refusal of it gets lost with the answer. */
function unheard(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
  }
}

function unreachable(controller: string | undefined): DirectoryError {
  return new DirectoryError('DIRECTORY_UNREACHABLE', `${controller ?? 'nobody'} does not answer`);
}
