import { randomUUID } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { importJWK, type CryptoKey } from 'jose';
import { runLink } from '../../src/agent/link/link.ts';
import { LinkMonitor } from '../../src/agent/link/link-report.ts';
import type { LinkHandlers, SessionHandle } from '../../src/agent/link/link-options.ts';
import { sha256 } from '../../src/protocol/digest.ts';
import { PROTOCOLS } from '../../src/protocol/protocol-range.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import type { GuardSummary, StatusReport } from '../../src/protocol/status.ts';
import { signToken, type SigningKey } from '../../src/protocol/tokens.ts';
import { systemClock } from '../../src/support/clock.ts';
import type { Logger } from '../../src/support/logger.ts';
import type { StopSignals } from '../../src/support/stop-signals.ts';
import type { FleetMember } from './fleet.ts';

const STATUS_EVERY_MS = 300_000;

/** What became of one try to have a session, or of the session. */
export type LinkNews =
  { readonly kind: 'up' | 'down' } | { readonly kind: 'failed'; readonly reason: string };

export interface SimulatedAgentOptions {
  readonly url: string;
  readonly issuer: string;
  readonly trust: SecureContext;
  readonly onNews: (news: LinkNews) => void;
}

/**
 * The agent's own link (dialling, greeting, heartbeat, backoff) with real keys, and behind it nothing
 * but a status report every five minutes.
 */
export class SimulatedAgent {
  readonly #member: FleetMember;
  readonly #options: SimulatedAgentOptions;
  readonly #device: SigningKey;
  readonly #startedAt = timestamp(Date.now());
  #session: SessionHandle | undefined;
  #toggle = 0;

  private constructor(member: FleetMember, options: SimulatedAgentOptions, device: SigningKey) {
    this.#member = member;
    this.#options = options;
    this.#device = device;
  }

  static async create(
    member: FleetMember,
    options: SimulatedAgentOptions,
  ): Promise<SimulatedAgent> {
    const key = (await importJWK(member.device, 'ES256')) as CryptoKey; // a private JWK is no secret
    return new SimulatedAgent(member, options, { kid: member.deviceKid, key });
  }

  /** Runs until told to stop. */
  async run(stop: StopSignals): Promise<void> {
    const { url, trust } = this.#options;
    const timer = setTimeout(() => {
      void this.tellStatus();
      setInterval(() => void this.tellStatus(), STATUS_EVERY_MS).unref();
    }, Math.random() * STATUS_EVERY_MS); // started together, the fleet must not report in step
    timer.unref();
    await runLink(
      {
        urls: [url],
        outbound: { trust, noProxy: [] },
        monitor: new LinkMonitor(systemClock),
        connectToken: () => this.#connectToken(),
        hello: ({ session: sid, nonce }) => this.#hello(sid, nonce),
        onWelcome: (welcome, session) => {
          this.#session = session;
          if (welcome.toggle !== undefined) this.#toggle = 1;
          return Promise.resolve();
        },
        handlers: this.#handlers(),
        drainMs: 0,
        clock: systemClock,
        log: this.#log(),
        random: Math.random,
      },
      stop,
    );
  }

  /** Signs a status report and sends it, if there is a session. */
  async tellStatus(): Promise<void> {
    const session = this.#session;
    if (session === undefined || session.ended.aborted) return;
    const claims = { ...this.#who(), monotonicMs: monotonicMs(), report: this.#report() };
    session.notify('agent.status', { status: await signToken('status', claims, this.#device) });
  }

  #who(): { readonly iss: string; readonly aud: string; readonly iat: number } {
    const iat = Math.floor(Date.now() / 1000);
    return { iss: this.#member.id, aud: this.#options.issuer, iat };
  }

  #connectToken(): Promise<string> {
    const who = this.#who();
    const claims = { ...who, sub: who.iss, jti: randomUUID(), exp: who.iat + 60 };
    return signToken('connect', claims, this.#device);
  }

  #hello(sid: string, nonce: string): Promise<string> {
    const { epoch, sealingStatement } = this.#member;
    return signToken(
      'hello',
      {
        ...this.#who(),
        ...{ monotonicMs: monotonicMs(), nonce, sid, version: '0.1.0', protocols: PROTOCOLS },
        sealingKey: sealingStatement,
        capabilities: [],
        guard: GUARD,
        status: this.#report(),
        journal: { epoch, seq: 0, head: sha256(epoch) },
        toggle: this.#toggle,
      },
      this.#device,
    );
  }

  #handlers(): LinkHandlers {
    const idle = (): Promise<never> => Promise.reject(new Error('this agent is idle'));
    return {
      'account.inspect': idle,
      'command.execute': idle,
      'writeback.set': () => Promise.resolve({ version: this.#toggle, enabled: true }),
      'session.renew': async ({ nonce }, { id }) => ({ hello: await this.#hello(id, nonce) }),
    };
  }

  /** As an agent with two controllers and some work behind it reports. */
  #report(): StatusReport {
    const { epoch, deviceKid, sealingKid } = this.#member;
    return {
      at: timestamp(Date.now()),
      state: 'running',
      reasons: [],
      controllers: ['dc1', 'dc2'].map((name) => ({
        name: `${name}.corp.example`,
        ...{ reachable: true, bound: true, policyHints: true, latencyMs: 3, clockOffsetMs: 12 },
        certificateExpiresAt: this.#startedAt,
      })),
      journal: { epoch, seq: 0, open: 0 },
      counters: { applied: 1204, refused: 17, failed: 2, unknown: 0, inspections: 1399 },
      keys: { device: deviceKid, sealing: sealingKid, sealingSince: this.#startedAt, keySet: 1 },
      version: '0.1.0',
      startedAt: this.#startedAt,
    };
  }

  /** The link says in its log what becomes of it. */
  #log(): Logger {
    const hear: Logger['info'] = (event, { reason } = {}) => {
      const { onNews } = this.#options;
      if (event === 'link.up') onNews({ kind: 'up' });
      if (event === 'link.down') onNews({ kind: 'down' });
      if (event === 'link.dial_failed' || event === 'link.rejected') {
        onNews({ kind: 'failed', reason: String(reason) });
      }
    };
    const log: Logger = { error: hear, warn: hear, info: hear, debug: hear, child: () => log };
    return log;
  }
}

function monotonicMs(): number {
  return Math.floor(performance.now());
}

const GUARD: GuardSummary = {
  self: ['reset', 'change', 'unlock'],
  admin: ['reset', 'unlock'],
  baseDns: ['OU=People,DC=corp,DC=example'],
  ...{ deniedBaseDns: 1, allowedGroups: 0, protectedGroups: 12, protectedAccounts: 2 },
  allowServicePrincipalNames: false,
  limits: {
    ...{ perAccount: 10, overall: 1_000, wrongPasswords: 3 },
    perActor: { self: 10, admin: 200 },
    inspections: { self: 30, admin: 600 },
  },
  breaker: { windowMinutes: 10, perActor: 100, overall: 300, open: false, stoppedActors: 0 },
  dryRun: false,
};
