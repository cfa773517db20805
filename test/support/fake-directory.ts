import { unicodePwd } from '../../src/agent/directory/account-changes.ts';
import { fromFiletime, toFiletime } from '../../src/agent/directory/filetime.ts';
import {
  DirectoryError,
  type AccountAddress,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
  type Directory,
  type ReadOptions,
  type RightFinding,
  type SelfTest,
  type WriteTarget,
} from '../../src/agent/directory/directory.ts';
import type { BrokenRule } from '../../src/protocol/account.ts';
import type { ControllerHealth } from '../../src/protocol/status.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { ORDINARY, ORDINARY_DOMAIN } from './ordinary-account.ts';

export const FAKE_CONTROLLER = ORDINARY.controller;
const DOMAIN = 'CORP';
const BASE_DN = 'DC=corp,DC=test';
const DAY_MS = 86_400_000;

export interface FakeAccount {
  readonly sam: string;
  readonly password: string;
  /** Default is `<sam>@corp.test`. */
  readonly upn?: string;
  /** Whatever else of the reading the test cares about. */
  readonly facts?: Partial<AccountReading>;
}

/** What happens to the next call instead of, or before, what would happen to it. */
export interface ScriptedFailure {
  readonly error: DirectoryError;
  /** The change is made all the same, as when only the answer is lost. */
  readonly applied?: boolean;
}

interface Stored {
  readonly sam: string;
  readonly upn: string;
  password: string;
  reading: AccountReading;
  writes: number;
  passwordWrites: number;
}

/** A directory in memory with one controller that answers at once and keeps the port's promises. */
export class FakeDirectory implements Directory {
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Stored>();
  readonly #script: { readonly read: ScriptedFailure[]; readonly apply: ScriptedFailure[] } = {
    read: [],
    apply: [],
  };
  #gate: Promise<void> = Promise.resolve();
  #reads = 0;
  #inFlight = 0;
  #maxInFlight = 0;
  #closed = false;
  #health: Partial<ControllerHealth> = {};
  #selfTest: Partial<SelfTest> = {};

  constructor(accounts: readonly FakeAccount[] = [], clock: Clock = systemClock) {
    this.#clock = clock;
    for (const account of accounts) this.add(account);
  }

  /** Adds an account and answers its objectGuid. */
  add({ sam, password, upn, facts }: FakeAccount): string {
    const n = this.#accounts.size + 1;
    const objectGuid =
      facts?.objectGuid ?? `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
    this.#accounts.set(objectGuid, {
      sam,
      upn: upn ?? `${sam}@corp.test`,
      password,
      writes: 0,
      passwordWrites: 0,
      reading: {
        ...ORDINARY,
        objectGuid,
        samAccountName: sam,
        usnChanged: String(1000 + n),
        distinguishedName: `CN=${sam},OU=People,${BASE_DN}`,
        sid: `${ORDINARY_DOMAIN}-${1100 + n}`,
        pwdLastSet: toFiletime(this.#clock.now() - 10 * DAY_MS),
        controllerTimeMs: this.#clock.now(),
        readAtMs: this.#clock.now(),
        ...facts,
      },
    });
    return objectGuid;
  }

  /** Changes what the directory says of an account, as somebody else's write would. */
  alter(objectGuid: string, facts: Partial<AccountReading>): void {
    const account = this.#account(objectGuid);
    const usnChanged = String(Number(account.reading.usnChanged) + 1);
    account.reading = { ...account.reading, usnChanged, ...facts };
  }

  /** The next call of this kind that is not scripted yet fails like this. */
  failNext(kind: 'read' | 'apply', failure: DirectoryError | ScriptedFailure): void {
    this.#script[kind].push(failure instanceof DirectoryError ? { error: failure } : failure);
  }

  /** Every call waits from now on until the function that this gives back is called. */
  hold(): () => void {
    let release: () => void = () => undefined;
    this.#gate = new Promise((resolve) => (release = resolve));
    return release;
  }

  /** What `check` says, instead of "all is well". */
  setHealth(health: Partial<ControllerHealth>): void {
    this.#health = health;
  }

  /** What `selfTest` finds, instead of every right and a password that never expires. */
  setSelfTest(found: Partial<SelfTest>): void {
    this.#selfTest = found;
  }

  /** How often the account was changed. */
  wrote(objectGuid: string): number {
    return this.#account(objectGuid).writes;
  }

  /** How often its password was set; unlocks do not count. */
  passwordWrites(objectGuid: string): number {
    return this.#account(objectGuid).passwordWrites;
  }

  passwordOf(objectGuid: string): string {
    return this.#account(objectGuid).password;
  }

  get writes(): number {
    return [...this.#accounts.values()].reduce((sum, { writes }) => sum + writes, 0);
  }

  get reads(): number {
    return this.#reads;
  }

  /** The most calls of `apply` that were ever under way at the same time. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async read(
    address: AccountAddress,
    signal: AbortSignal,
    { only = FAKE_CONTROLLER }: ReadOptions = {},
  ): Promise<AccountReading> {
    this.#reads += 1;
    await this.#enter(signal);
    if (only !== FAKE_CONTROLLER) throw refusal('DIRECTORY_UNREACHABLE', `${only} does not answer`);
    const scripted = this.#script.read.shift();
    if (scripted !== undefined) throw scripted.error;
    const { reading } =
      'name' in address ? this.#named(address.name) : this.#account(address.objectGuid);
    return { ...reading, controllerTimeMs: this.#clock.now(), readAtMs: this.#clock.now() };
  }

  async apply(
    target: WriteTarget,
    change: AccountChange,
    signal: AbortSignal,
  ): Promise<AppliedChange> {
    this.#inFlight += 1;
    this.#maxInFlight = Math.max(this.#maxInFlight, this.#inFlight);
    try {
      await this.#enter(signal);
      if (target.controller !== FAKE_CONTROLLER) {
        throw refusal('DIRECTORY_UNREACHABLE', `${target.controller} is not configured`);
      }
      const scripted = this.#script.apply.shift();
      if (scripted !== undefined && scripted.applied !== true) throw scripted.error;
      const account = this.#account(target.objectGuid);
      this.#change(account, change);
      if (scripted !== undefined) throw scripted.error;
      const { pwdLastSet, policyHints } = account.reading;
      const hinted = change.op === 'reset' && change.policyHints !== 'off' && policyHints;
      return { pwdLastSet, historyEnforced: change.op === 'change' || hinted };
    } finally {
      this.#inFlight -= 1;
    }
  }

  check(_signal: AbortSignal): Promise<readonly ControllerHealth[]> {
    const well = { name: FAKE_CONTROLLER, reachable: true, bound: true, policyHints: false };
    return Promise.resolve([{ ...well, latencyMs: 0, clockOffsetMs: 0, ...this.#health }]);
  }

  async selfTest(baseDns: readonly string[], signal: AbortSignal): Promise<SelfTest> {
    await this.#enter(signal);
    const rights: readonly RightFinding[] = [
      ...baseDns.flatMap((baseDn) => [
        { baseDn, right: 'resetPassword', standing: 'granted' } as const,
        { baseDn, right: 'writeLockoutTime', standing: 'granted' } as const,
        { baseDn, right: 'writePwdLastSet', standing: 'granted' } as const,
      ]),
      { right: 'unexpirePassword', standing: 'granted' },
    ];
    return { controller: FAKE_CONTROLLER, rights, passwordExpiresAt: 'never', ...this.#selfTest };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }

  async #enter(signal: AbortSignal): Promise<void> {
    await this.#gate;
    if (signal.aborted) throw refusal('DIRECTORY_UNREACHABLE', 'aborted before anything was sent');
    if (this.#closed) throw refusal('DIRECTORY_UNREACHABLE', 'the directory is closed');
  }

  #account(objectGuid: string): Stored {
    const found = this.#accounts.get(objectGuid);
    if (found === undefined) throw refusal('ACCOUNT_NOT_FOUND', 'there is no such account');
    return found;
  }

  #named(name: string): Stored {
    const wanted = name.toLowerCase().replace(`${DOMAIN.toLowerCase()}\\`, '');
    const found = [...this.#accounts.values()].filter(({ sam, upn }) =>
      [sam.toLowerCase(), upn.toLowerCase()].includes(wanted),
    );
    if (found.length > 1) throw refusal('ACCOUNT_AMBIGUOUS', 'two accounts have this name');
    if (found[0] === undefined) throw refusal('ACCOUNT_NOT_FOUND', 'there is no such account');
    return found[0];
  }

  #change(account: Stored, change: AccountChange): void {
    const unlocked = { locked: false, lockoutTime: '0' };
    if (change.op === 'unlock') {
      this.#store(account, unlocked);
      return;
    }
    unicodePwd(change.password);
    const password = change.password.reveal();
    if (change.op === 'change') this.#checkChange(account, change.oldPassword.reveal());
    else if (change.policyHints === 'require' && !account.reading.policyHints) {
      throw refusal('DIRECTORY_CONFIG', 'the history is not enforced here');
    }
    refuse(brokenByContent(password, account.reading));
    if (change.op === 'change' && password === account.password) {
      refuse([{ rule: 'history', confidence: 'certain' }]);
    }
    account.password = password;
    account.passwordWrites += 1;
    const mustChange = change.op === 'reset' && change.mustChange;
    this.#store(account, {
      pwdLastSet: mustChange ? '0' : toFiletime(this.#clock.now()),
      mustChange,
      ...(change.op === 'reset' && change.unlock && unlocked),
    });
  }

  #checkChange({ password, reading }: Stored, oldPassword: string): void {
    if (reading.locked) throw refusal('ACCOUNT_LOCKED', 'the account is locked');
    if (password !== oldPassword) throw refusal('WRONG_PASSWORD', 'the old password is wrong');
    const setAt = fromFiletime(reading.pwdLastSet);
    const worksFromMs = (setAt ?? 0) + (reading.policy.minimumAgeSeconds ?? 0) * 1_000;
    if (this.#clock.now() < worksFromMs) {
      const worksFrom = new Date(worksFromMs).toISOString();
      refuse([{ rule: 'minimum-age', confidence: 'certain', worksFrom }]);
    }
  }

  #store(account: Stored, facts: Partial<AccountReading>): void {
    const usnChanged = String(Number(account.reading.usnChanged) + 1);
    account.reading = { ...account.reading, usnChanged, ...facts };
    account.writes += 1;
  }
}

function refusal(code: DirectoryError['code'], message: string): DirectoryError {
  return new DirectoryError(code, message, { controller: FAKE_CONTROLLER });
}

function refuse(rules: readonly BrokenRule[]): void {
  if (rules.length === 0) return;
  throw new DirectoryError('PASSWORD_POLICY', 'the password breaks the policy', {
    controller: FAKE_CONTROLLER,
    rules,
  });
}

const CLASSES = [/\p{Lu}/u, /\p{Ll}/u, /\p{Nd}/u, /[^\p{L}\p{Nd}]/u];

function brokenByContent(password: string, { policy }: AccountReading): readonly BrokenRule[] {
  const minimumLength = policy.minimumLength ?? 0;
  if (password.length < minimumLength) {
    return [{ rule: 'length', confidence: 'certain', minimumLength }];
  }
  const classes = CLASSES.filter((pattern) => pattern.test(password)).length;
  if (policy.complexity === true && classes < 3) {
    return [{ rule: 'complexity', confidence: 'certain' }];
  }
  return [];
}
