import { randomUUID } from 'node:crypto';
import { base64url, decodeJwt, exportJWK, generateKeyPair, type CryptoKey } from 'jose';
import { WebSocket } from 'ws';
import type { AccountState } from '../../src/protocol/account.ts';
import { commandDigest, sha256, signedHash } from '../../src/protocol/digest.ts';
import { factsOf, type OutcomeCode } from '../../src/protocol/codes.ts';
import { CommandClaims, InspectClaims, ToggleClaims } from '../../src/protocol/command.ts';
import { parseEnrollmentToken } from '../../src/protocol/enrollment.ts';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import {
  CONNECT_PATH,
  FROM_AGENT,
  FROM_SERVICE,
  SUBPROTOCOL,
  type FromAgent,
  type FromService,
  type Standing,
  type Welcome,
} from '../../src/protocol/messages.ts';
import type { Outcome } from '../../src/protocol/outcome.ts';
import { Peer } from '../../src/protocol/rpc.ts';
import { open, type SecretContent } from '../../src/protocol/sealing.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import type { GuardSummary, HelloClaims, StatusReport } from '../../src/protocol/status.ts';
import { signToken, type Claims } from '../../src/protocol/tokens.ts';
import type { TestCloud } from './start-cloud.ts';

/** A command as the agent got it, with what was sealed in it. */
/** What the guard of such an agent allows; nobody asks it. */
const GUARD: GuardSummary = {
  self: [],
  admin: ['reset', 'change', 'unlock'],
  baseDns: [],
  deniedBaseDns: 0,
  allowedGroups: 0,
  protectedGroups: 0,
  protectedAccounts: 0,
  allowServicePrincipalNames: false,
  limits: {
    perAccount: 10,
    perActor: { self: 10, admin: 200 },
    overall: 1_000,
    wrongPasswords: 3,
    inspections: { self: 30, admin: 600 },
  },
  breaker: { windowMinutes: 10, perActor: 100, overall: 300, open: false, stoppedActors: 0 },
  dryRun: false,
};

export interface ReceivedCommand {
  readonly token: string;
  readonly claims: CommandClaims;
  readonly secret: SecretContent | undefined;
}

/** What a script does with a command: a code to answer with, or `undefined` for silence. */
export type CommandScript = (
  command: ReceivedCommand,
  agent: ScriptedAgent,
) => Promise<OutcomeCode | undefined> | OutcomeCode | undefined;

export interface Connection {
  readonly socket: WebSocket;
  readonly peer: Peer<FromService, FromAgent>;
  readonly welcome: Welcome;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
}

interface KeyPair {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly jwk: PublicKey;
}

const PERSON = '7b3f0d4e-3f1c-4a5e-9c2a-0d2c6a0e8f11';

/** An account as `account.inspect` shows it. */
export function accountState(objectGuid = PERSON): AccountState {
  return {
    objectGuid,
    baseline: {
      pwdLastSet: '133500000000000000',
      lockoutTime: '0',
      controller: 'dc1.corp.example',
      controllerTime: '2030-01-01T00:00:00.000Z',
    },
    locked: false,
    disabled: false,
    expired: false,
    mustChange: false,
    passwordNeverExpires: false,
    policy: { source: 'domain', minimumLength: 10 },
  };
}

/**
 * A minimal honest agent: enrols, connects, answers by script, chains and remembers its outcomes.
 * Everything it does can be bent by a test.
 */
export class ScriptedAgent implements AsyncDisposable {
  /** What it dials; one node of several, say. */
  cloud: TestCloud;
  readonly device: KeyPair;
  sealing: KeyPair;
  id = '';
  issuer: string;
  directory = '';
  /** The journal: what `cmd` was answered with, and where the chain stands. */
  readonly journal = new Map<string, string>();
  epoch = randomUUID() as string;
  seq = 0;
  head = '';
  /** Every command that came in, in order. */
  readonly commands: ReceivedCommand[] = [];
  readonly inspections: InspectClaims[] = [];
  readonly toggles: ToggleClaims[] = [];
  /** How often the service has said goodbye. */
  goodbyes = 0;
  /** What its connections were closed with, in order. */
  readonly closeCodes: number[] = [];
  /** What each renewal said, in order. */
  readonly renewals: Standing[] = [];
  /** Claims that replace the honest ones in the hello of a renewal. */
  bendRenewal: Partial<HelloClaims> = {};
  /** How far this agent's clock is ahead of the machine's. */
  offsetMs = 0;
  onCommand: CommandScript = () => 'APPLIED';
  /** A refusal, or undefined to show `account`. */
  onInspect: (claims: InspectClaims) => OutcomeCode | undefined = () => undefined;
  account: AccountState = accountState();
  /** What is sent instead of an honest outcome. */
  bendOutcome: (outcome: string) => string = (outcome) => outcome;
  /** Claims that replace the honest ones in an outcome; it is signed all the same. */
  bendOutcomeClaims: Partial<Claims<'outcome'>> = {};
  /** What is sent instead of an honest inspection. */
  bendInspection: (claims: Claims<'inspection'>) => Promise<string> = (claims) =>
    signToken('inspection', claims, this.device);
  connection: Connection | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(cloud: TestCloud, device: KeyPair, sealing: KeyPair) {
    this.cloud = cloud;
    this.device = device;
    this.sealing = sealing;
    this.issuer = cloud.issuer;
  }

  static async create(cloud: TestCloud): Promise<ScriptedAgent> {
    const agent = new ScriptedAgent(cloud, await makeKeys('sig'), await makeKeys('enc'));
    agent.head = sha256(agent.epoch);
    return agent;
  }

  /** Enrols with a fresh token; still pending afterwards. */
  async enroll(tokenText?: string): Promise<void> {
    const text = tokenText ?? (await createToken(this.cloud));
    const { status, body } = await this.postEnrollment(text);
    if (status !== 200) throw new Error(`enrolment: HTTP ${status}`);
    const { response } = body as { response: string };
    const claims = decodeJwt<Claims<'enroll-response'>>(response);
    this.id = claims.agent;
    this.issuer = claims.issuer;
    this.directory = claims.directory;
  }

  /** The enrolment request as an honest agent posts it; `secret` and `claims` bend it. */
  async postEnrollment(
    tokenText: string,
    bend: { secret?: Uint8Array; claims?: Partial<Claims<'enroll-request'>> } = {},
  ): ReturnType<TestCloud['call']> {
    const token = parseEnrollmentToken(tokenText);
    if (token === undefined) throw new Error('not an enrolment token');
    const request = await signToken(
      'enroll-request',
      {
        directory: token.directory,
        name: 'scripted',
        version: '0.1.0',
        deviceKey: this.device.jwk,
        sealingKey: await this.sealingStatement(),
        iat: this.#seconds(),
        ...bend.claims,
      },
      { kid: token.id, key: bend.secret ?? base64url.decode(token.secret) },
    );
    return this.cloud.call('POST', '/v1/enroll', { key: '', body: { token: token.id, request } });
  }

  /** Enrols and has itself approved. */
  async join(): Promise<void> {
    await this.enroll();
    await this.approve();
  }

  async approve(): Promise<void> {
    const { status } = await this.cloud.call('POST', `agents/${this.id}/approve`, {
      body: { fingerprint: this.device.kid },
    });
    if (status !== 200) throw new Error(`approve: HTTP ${status}`);
  }

  sealingStatement(sealing = this.sealing, iat = this.#seconds()): Promise<string> {
    return signToken('sealing-key', { iss: this.device.kid, iat, key: sealing.jwk }, this.device);
  }

  /** A new sealing key, told to the service in the open session. */
  async rotateSealing(): Promise<void> {
    await this.rotateSealingOffline();
    await this.tellSealingKey(await this.sealingStatement());
  }

  /** A new sealing key that the service hears of with the next hello. */
  async rotateSealingOffline(): Promise<void> {
    this.sealing = await makeKeys('enc');
  }

  async tellSealingKey(sealingKey: string): Promise<void> {
    await this.#peer().call('agent.keys', { sealingKey }, AbortSignal.timeout(5_000));
  }

  async reportOutcomes(outcomes: string[]): Promise<void> {
    await this.#peer().call('outcome.report', { outcomes }, AbortSignal.timeout(5_000));
  }

  async connectToken(bend: Partial<Claims<'connect'>> = {}): Promise<string> {
    const iat = this.#seconds();
    return signToken(
      'connect',
      {
        iss: this.id,
        sub: this.id,
        aud: this.issuer,
        jti: randomUUID(),
        iat,
        exp: iat + 60,
        ...bend,
      },
      this.device,
    );
  }

  /** Opens a WebSocket; rejects with `HTTP <status>` when the upgrade is refused. */
  async dial(token?: string, protocol: string = SUBPROTOCOL): Promise<WebSocket> {
    const url = new URL(CONNECT_PATH, this.cloud.address.replace('https:', 'wss:'));
    const socket = new WebSocket(url, [protocol], {
      ca: this.cloud.tls.ca,
      headers: { authorization: `Bearer ${token ?? (await this.connectToken())}` },
      perMessageDeflate: false,
    });
    return new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.once('unexpected-response', (_request, response) => {
        response.resume();
        reject(new Error(`HTTP ${response.statusCode ?? 0}`));
        socket.terminate();
      });
      socket.once('open', () => {
        socket.pause();
        resolve(socket);
      });
    });
  }

  /** Dials and says hello; `bend` changes the hello's claims. */
  async connect(bend: Partial<HelloClaims> = {}): Promise<Connection> {
    const socket = await this.dial();
    const closed = new Promise<number>((resolve) => {
      socket.once('close', resolve);
    });
    let challenge: (value: { session: string; nonce: string }) => void = () => undefined;
    const challenged = new Promise<{ session: string; nonce: string }>((resolve) => {
      challenge = resolve;
    });
    const peer = new Peer<FromService, FromAgent>({
      incoming: FROM_SERVICE,
      outgoing: FROM_AGENT,
      handlers: {
        'session.challenge': (params) => {
          challenge(params);
          return undefined;
        },
        'session.goodbye': () => {
          this.goodbyes += 1;
          return undefined;
        },
        'session.renew': async ({ nonce, ...standing }) => {
          this.renewals.push(standing);
          const { session: sid } = await challenged;
          return { hello: await this.hello({ sid, nonce, ...this.bendRenewal }) };
        },
        'account.inspect': ({ request }) => this.#inspect(request),
        'command.execute': ({ command }) => this.#execute(command),
        'writeback.set': ({ toggle }) => {
          const claims = ToggleClaims.parse(decodeJwt(toggle));
          this.toggles.push(claims);
          return { version: claims.version, enabled: claims.enabled };
        },
      },
      send: (frame) => {
        socket.send(frame);
      },
      onBug: (_method, error) => {
        throw error;
      },
    });
    socket.on('message', (data) => {
      peer.receive((data as Buffer).toString('utf8'));
    });
    socket.on('close', (code) => {
      this.closeCodes.push(code);
      peer.close();
    });
    socket.resume();
    const { session, nonce } = await challenged;
    const hello = await this.hello({ sid: session, nonce, ...bend });
    const welcome = await peer.call('agent.hello', { hello }, AbortSignal.timeout(5_000));
    if (welcome.toggle !== undefined) {
      this.toggles.push(ToggleClaims.parse(decodeJwt(welcome.toggle)));
    }
    this.connection = { socket, peer, welcome, closed };
    return this.connection;
  }

  async hello(bend: Partial<HelloClaims>): Promise<string> {
    return signToken(
      'hello',
      {
        iss: this.id,
        aud: this.issuer,
        iat: this.#seconds(),
        monotonicMs: 0,
        nonce: '',
        sid: '',
        version: '0.1.0',
        protocols: { min: 1, max: 1 },
        sealingKey: await this.sealingStatement(),
        capabilities: [],
        guard: GUARD,
        status: this.report(),
        journal: { epoch: this.epoch, seq: this.seq, head: this.head },
        toggle: Math.max(0, ...this.toggles.map(({ version }) => version)),
        ...bend,
      },
      this.device,
    );
  }

  /** A signed status report. */
  status(bend: Partial<Claims<'status'>> = {}): Promise<string> {
    const who = { iss: this.id, aud: this.issuer, iat: this.#seconds() };
    const claims = { ...who, monotonicMs: 0, report: this.report(), ...bend };
    return signToken('status', claims, this.device);
  }

  report(bend: Partial<StatusReport> = {}): StatusReport {
    return {
      at: timestamp(Date.now()),
      state: 'running',
      reasons: [],
      controllers: [],
      journal: { epoch: this.epoch, seq: this.seq, open: 0 },
      counters: {},
      keys: {
        device: this.device.kid,
        sealing: this.sealing.kid,
        sealingSince: timestamp(Date.now()),
        keySet: 1,
      },
      version: '0.1.0',
      startedAt: timestamp(Date.now()),
      ...bend,
    };
  }

  /** Tells the service that a write is about to begin. */
  began({ claims }: ReceivedCommand, controller = 'dc1.corp.example'): void {
    this.#peer().notify('command.began', { cmd: claims.cmd, jti: claims.jti, controller });
  }

  /** Cuts the connection without a word. */
  async cut(): Promise<void> {
    this.connection?.socket.terminate();
    await this.connection?.closed;
    this.connection = undefined;
  }

  /** A signed and chained outcome for a command; one after the other, as each names the one before. */
  outcome(command: ReceivedCommand, code: OutcomeCode): Promise<string> {
    return this.#inTurn(() => this.#chain(command, code));
  }

  #inTurn(sign: () => Promise<string>): Promise<string> {
    const signed = this.#turn.then(sign);
    this.#turn = signed.catch(() => undefined);
    return signed;
  }

  async #chain({ token, claims }: ReceivedCommand, code: OutcomeCode): Promise<string> {
    const chain = { epoch: this.epoch, seq: this.seq + 1, previous: this.head };
    const signed = await signToken(
      'outcome',
      {
        iss: this.id,
        aud: this.directory,
        iat: this.#seconds(),
        token: signedHash(token),
        cmd: claims.cmd,
        jti: claims.jti,
        op: claims.op,
        digest: commandDigest(claims),
        ends: factsOf(code).redispatch === true ? 'dispatch' : 'operation',
        chain,
        outcome: outcomeOf(code),
        ...this.bendOutcomeClaims,
      },
      this.device,
    );
    this.seq += 1;
    this.head = signedHash(signed);
    return signed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
  }

  async #execute(token: string): Promise<{ outcome: string }> {
    const claims = CommandClaims.parse(decodeJwt(token));
    const command = { token, claims, secret: await this.#open(claims) };
    this.commands.push(command);
    const known = this.journal.get(claims.cmd);
    if (known !== undefined) return { outcome: known };
    const code = await this.onCommand(command, this);
    if (code === undefined) return new Promise(() => undefined);
    const outcome = await this.#inTurn(async () => {
      const meanwhile = this.journal.get(claims.cmd); // by a dispatch that was there before
      if (meanwhile !== undefined) return meanwhile;
      const signed = await this.#chain(command, code);
      if (factsOf(code).redispatch !== true) this.journal.set(claims.cmd, signed);
      return signed;
    });
    return { outcome: this.bendOutcome(outcome) };
  }

  async #open(claims: CommandClaims): Promise<SecretContent | undefined> {
    if (claims.op === 'unlock') return undefined;
    const { aud: directory, cmd, op, account, unlock, mustChange, baseline, notAfter } = claims;
    const options = { unlock, mustChange };
    return open(claims.secret, this.sealing.key, {
      directory,
      cmd,
      op,
      account,
      options,
      baseline,
      notAfter,
    });
  }

  async #inspect(request: string): Promise<{ inspection: string }> {
    const claims = InspectClaims.parse(decodeJwt(request));
    this.inspections.push(claims);
    const code = this.onInspect(claims);
    const inspection = await this.bendInspection({
      iss: this.id,
      aud: this.directory,
      iat: this.#seconds(),
      jti: claims.jti,
      ...(code === undefined ? { account: this.account } : { verdict: outcomeOf(code) }),
    });
    return { inspection };
  }

  #seconds(): number {
    return Math.floor((Date.now() + this.offsetMs) / 1000);
  }

  #peer(): Peer<FromService, FromAgent> {
    if (this.connection === undefined) throw new Error('not connected');
    return this.connection.peer;
  }
}

/** The text of a fresh enrolment token. */
export async function createToken(cloud: TestCloud): Promise<string> {
  const { body } = await cloud.call('POST', 'enrollment-tokens');
  return (body as { token: string }).token;
}

function outcomeOf(code: OutcomeCode): Outcome {
  const { status, retry, meaning } = factsOf(code);
  return { status, code, ...(retry !== undefined && { retry }), message: meaning, tookMs: 1 };
}

async function makeKeys(use: 'sig' | 'enc'): Promise<KeyPair> {
  const alg = use === 'sig' ? 'ES256' : 'ECDH-ES+A256KW';
  const { privateKey, publicKey: half } = await generateKeyPair(alg, { crv: 'P-256' });
  const jwk = await publicKey(await exportJWK(half), use);
  return { kid: jwk.kid, key: privateKey, jwk };
}
