import type { FromAgent, FromService, Params, Result, Welcome } from '../../protocol/messages.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { Outbound } from '../../support/secure-connection.ts';
import type { LinkMonitor } from './link-report.ts';

/** One live session, for whoever has something to tell the service. */
export interface SessionHandle {
  readonly id: string;
  /** Aborts when the session is over. */
  readonly ended: AbortSignal;
  /** Tells the service something; whether it arrives is not known. Never throws. */
  notify<K extends 'agent.status' | 'command.began'>(method: K, params: Params<FromAgent, K>): void;
  /** Rejects with `RpcError`, or with `UnansweredError` when the session ends or `signal` aborts. */
  call<K extends 'agent.keys' | 'outcome.report'>(
    method: K,
    params: Params<FromAgent, K>,
    signal: AbortSignal,
  ): Promise<Result<FromAgent, K>>;
}

type Served = 'account.inspect' | 'command.execute' | 'writeback.set' | 'session.renew';

/** What the service may ask once a session is ready; a thrown `RpcError` becomes the answer. */
export type LinkHandlers = {
  readonly [K in Served]: (
    params: Params<FromService, K>,
    session: SessionHandle,
  ) => Promise<Result<FromService, K>>;
};

export interface LinkOptions {
  /** Where the service is, one or more; https and wss mean the same. */
  readonly urls: readonly string[];
  /** How to get there. */
  readonly outbound: Outbound;
  /** Makes the token of one upgrade request. */
  readonly connectToken: () => Promise<string>;
  /** Makes the signed hello over the service's challenge. */
  readonly hello: (challenge: Params<FromService, 'session.challenge'>) => Promise<string>;
  /** Judges the welcome before anything else is served; a rejection drops the link. */
  readonly onWelcome: (welcome: Welcome, session: SessionHandle) => Promise<void>;
  readonly handlers: LinkHandlers;
  /** Is told how the link is. */
  readonly monitor: LinkMonitor;
  /** How long calls in flight may take once the link drains; the abort signal may end it sooner. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}
