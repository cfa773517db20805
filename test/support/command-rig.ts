import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLocalJWKSet, exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { Admission } from '../../src/agent/commands/guard/admission.ts';
import type { CommandSession } from '../../src/agent/commands/command-session.ts';
import { Commander } from '../../src/agent/commands/commander.ts';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import type { Disk } from '../../src/agent/commands/journal-disk.ts';
import { openJournal, type Journal } from '../../src/agent/commands/journal.ts';
import { Toggle } from '../../src/agent/commands/toggle.ts';
import { Trail } from '../../src/agent/commands/trail.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import type { Baseline } from '../../src/protocol/account.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { secretFor, type DispatchedSecret } from '../../src/protocol/sealed.ts';
import { seal } from '../../src/protocol/sealing.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { signToken, verifyToken, type SigningKey } from '../../src/protocol/tokens.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import type { Logger } from '../../src/support/logger.ts';
import { MemoryLog } from './memory-log.ts';

export const RIG_ISSUER = 'https://reset.example';
export const RIG_DIRECTORY = 'corp';

/** A guard that allows everything below OU=People, `change` included, as often as anybody likes. */
export const OPEN_GUARD: GuardSettings = {
  operations: { self: ['reset', 'change', 'unlock'], admin: ['reset', 'change', 'unlock'] },
  policyHints: { self: 'prefer', admin: 'off' },
  baseDns: ['OU=People,DC=corp,DC=test'],
  deniedBaseDns: [],
  allowedGroups: [],
  protectedGroups: [],
  protectedAccounts: [],
  allowServicePrincipalNames: false,
  limits: {
    perAccount: 1_000_000,
    perActor: { self: 1_000_000, admin: 1_000_000 },
    overall: 1_000_000,
    wrongPasswords: 1_000_000,
    inspections: { self: 1_000_000, admin: 1_000_000 },
  },
  breaker: { windowMinutes: 10, perActor: 999_999, overall: 1_000_000 },
  dryRun: false,
};

export interface KeyPair extends SigningKey {
  readonly key: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: PublicKey;
}

export async function makeKeyPair(use: 'sig' | 'enc'): Promise<KeyPair> {
  const alg = use === 'sig' ? 'ES256' : 'ECDH-ES+A256KW';
  const { privateKey, publicKey: pub } = await generateKeyPair(alg, { crv: 'P-256' });
  const jwk = await publicKey(await exportJWK(pub), use);
  return { key: privateKey, publicKey: pub, jwk, kid: jwk.kid };
}

export interface RigKeys {
  readonly service: KeyPair;
  readonly device: KeyPair;
  readonly sealing: KeyPair;
}

export async function makeRigKeys(): Promise<RigKeys> {
  return {
    service: await makeKeyPair('sig'),
    device: await makeKeyPair('sig'),
    sealing: await makeKeyPair('enc'),
  };
}

export interface RigOptions {
  readonly directory: Directory;
  readonly guard?: GuardSettings;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly disk?: Disk;
  /** Default is new ones. */
  readonly keys?: RigKeys;
  /** An earlier rig whose keys and state folder this one goes on with, as after a restart. */
  readonly after?: CommandRig;
}

export interface Order {
  readonly objectGuid: string;
  readonly op?: 'reset' | 'change' | 'unlock';
  readonly password?: string;
  readonly oldPassword?: string;
  readonly baseline?: Baseline;
  readonly claims?: Partial<CommandClaims>;
  readonly signedBy?: SigningKey;
  readonly secret?: DispatchedSecret;
}

/** The agent's command core with real keys and a real journal, and a service's hand to order with. */
export class CommandRig implements AsyncDisposable {
  /** Signed outcomes that nobody had asked for. */
  readonly unasked: number[] = [];
  readonly agentId: string;
  readonly folder: string;
  readonly keys: RigKeys;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly toggle: Toggle;
  readonly commander: Commander;
  readonly log: MemoryLog;
  readonly abort = new AbortController();
  readonly began: { cmd: string; jti: string; controller?: string }[] = [];
  /** How often the service was told of late commands. */
  late = 0;
  readonly session: CommandSession = {
    id: randomUUID(),
    ended: new AbortController().signal,
    began: (notice) => this.began.push(notice),
    late: () => {
      this.late += 1;
    },
  };
  readonly #directory: Directory;
  readonly #clock: Clock;

  private constructor(
    options: RigOptions,
    made: Pick<CommandRig, 'folder' | 'agentId' | 'keys' | 'journal' | 'admission'> & {
      readonly log: Logger;
    },
  ) {
    this.folder = made.folder;
    this.agentId = made.agentId;
    this.keys = made.keys;
    this.journal = made.journal;
    this.admission = made.admission;
    this.#directory = options.directory;
    this.#clock = options.clock ?? systemClock;
    this.log = made.log instanceof MemoryLog ? made.log : new MemoryLog();
    const now = (): number => this.#clock.now();
    const verifier = {
      agentId: this.agentId,
      directory: RIG_DIRECTORY,
      issuer: RIG_ISSUER,
      commandKeys: createLocalJWKSet({ keys: [this.keys.service.jwk] }),
      now,
    };
    const { journal, keys, agentId } = this;
    this.toggle = new Toggle(journal, verifier);
    this.commander = new Commander({
      verifier,
      executor: {
        directory: this.#directory,
        guard: options.guard ?? OPEN_GUARD,
        admission: this.admission,
        stranger: () => Promise.resolve(undefined),
        sealingKey: (kid) => (kid === keys.sealing.kid ? keys.sealing.key : undefined),
        clock: this.#clock,
      },
      journal,
      trail: new Trail({
        ...{ agentId, directory: RIG_DIRECTORY, device: keys.device, journal, now },
        onUnasked: (seq) => this.unasked.push(seq),
      }),
      toggle: this.toggle,
      log: made.log,
      abort: this.abort.signal,
    });
  }

  static async open(options: RigOptions): Promise<CommandRig> {
    const { after, clock = systemClock, log = new MemoryLog() } = options;
    const folder = after?.folder ?? (await mkdtemp(join(tmpdir(), 'passback-rig-')));
    const keys = options.keys ?? after?.keys ?? (await makeRigKeys());
    const journal = await openJournal({
      path: join(folder, 'journal.jsonl'),
      now: () => clock.now(),
      uuid: randomUUID,
      log,
      ...(options.disk !== undefined && { disk: options.disk }),
    });
    const admission = await Admission.open({
      stateFolder: folder,
      settings: options.guard ?? OPEN_GUARD,
      earlier: journal.begun(),
      clock,
      log,
    });
    return new CommandRig(options, {
      folder,
      agentId: after?.agentId ?? randomUUID(),
      keys,
      journal,
      admission,
      log,
    });
  }

  /** The claims of a well-formed command; a member of `claims` replaces the one made here. */
  async claims(order: Order): Promise<CommandClaims> {
    const { op = 'reset', objectGuid, password = 'Correct-Horse-7', oldPassword } = order;
    const iat = Math.floor(this.#clock.now() / 1000);
    const common = {
      iss: RIG_ISSUER,
      aud: RIG_DIRECTORY,
      agent: this.agentId,
      cmd: randomUUID(),
      jti: randomUUID(),
      sid: this.session.id,
      iat,
      exp: iat + 60,
      signedAt: timestamp(this.#clock.now()),
      notAfter: timestamp((iat + 300) * 1000),
      startWithinMs: 5000,
      monotonicMs: Math.floor(this.#clock.monotonic()),
      account: { objectGuid },
      by: 'admin' as const,
      actor: 'key:1',
      unlock: op === 'reset',
      mustChange: false,
      attempts: [],
      ...order.claims,
    };
    if (op === 'unlock') return { ...common, op };
    const baseline = order.baseline ?? (await this.baseline(objectGuid));
    const { aud, cmd, account, unlock, mustChange, notAfter } = common;
    const binding = { op, directory: aud, cmd, account, baseline, notAfter };
    const sealed = await seal(
      oldPassword === undefined ? { password } : { password, oldPassword },
      [this.keys.sealing.jwk],
      { ...binding, options: { unlock, mustChange } },
    );
    const secret = order.secret ?? secretFor(sealed, this.keys.sealing.kid);
    const recipients = [this.keys.sealing.kid];
    return { baseline, secret, recipients, op, ...common } as CommandClaims;
  }

  async token(order: Order): Promise<string> {
    return signToken('command', await this.claims(order), order.signedBy ?? this.keys.service);
  }

  /** Signs a command, has it carried out and verifies the answer. */
  async order(order: Order): Promise<OutcomeClaims> {
    return this.send(await this.token(order));
  }

  /** Sends the same operation in a dispatch of its own, as the service makes it. */
  async dispatch(
    claims: CommandClaims,
    change: Partial<CommandClaims> = {},
  ): Promise<OutcomeClaims> {
    const iat = Math.floor(this.#clock.now() / 1000);
    const signedAt = timestamp(this.#clock.now());
    const envelope = { jti: randomUUID(), sid: this.session.id, agent: this.agentId };
    const times = { iat, exp: iat + 60, signedAt, monotonicMs: this.#clock.monotonic() };
    const again = { ...claims, ...envelope, ...times, ...change } as CommandClaims;
    return this.send(await signToken('command', again, this.keys.service));
  }

  async send(token: string, session: CommandSession = this.session): Promise<OutcomeClaims> {
    return this.verify(await this.commander.execute(token, session));
  }

  verify(signedOutcome: string): Promise<OutcomeClaims> {
    return verifyToken('outcome', signedOutcome, {
      key: this.keys.device.publicKey,
      now: this.#clock.now(),
      audience: RIG_DIRECTORY,
      issuer: this.agentId,
    });
  }

  async baseline(objectGuid: string): Promise<Baseline> {
    const read = await this.#directory.read({ objectGuid }, new AbortController().signal);
    const { pwdLastSet, lockoutTime, controller, controllerTimeMs } = read;
    return { pwdLastSet, lockoutTime, controller, controllerTime: timestamp(controllerTimeMs) };
  }

  toggleStatement(version: number, enabled: boolean, signedBy?: SigningKey): Promise<string> {
    const iat = Math.floor(this.#clock.now() / 1000);
    const base = { iss: RIG_ISSUER, aud: RIG_DIRECTORY, iat, by: 'key:1' };
    const reason = enabled ? '' : 'maintenance';
    return signToken(
      'writeback',
      { ...base, version, enabled, reason },
      signedBy ?? this.keys.service,
    );
  }

  /** Ends as a crash would leave the disk: the file is closed, nothing is tidied. */
  async stop(): Promise<void> {
    await this.admission[Symbol.asyncDispose]();
    await this.journal[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
