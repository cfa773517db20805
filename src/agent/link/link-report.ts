import type { Clock } from '../../support/clock.ts';
import type { LinkState } from './link-state.ts';

/** How the link is, as facts without secrets; all times are epoch milliseconds. */
export interface LinkReport {
  readonly state: LinkState;
  /** Since when it is in this state. */
  readonly since: number;
  /** The address that is in use, or was tried last. */
  readonly url?: string;
  /** The HTTP proxy on the way there; absent: none. */
  readonly proxy?: string;
  /** Who signed the certificate that was shown last: a CA, or what inspects TLS on the way. */
  readonly issuer?: string;
  /** The live session. */
  readonly session?: string;
  readonly connectedSince?: number;
  /** Since when there is no session: since the start, or since the last one was lost. */
  readonly disconnectedSince?: number;
  /** Kept after the link is up again. */
  readonly lastFailure?: LinkFailure;
  /** When it is tried again, while it waits. */
  readonly nextTryAt?: number;
}

export interface LinkFailure {
  readonly at: number;
  readonly url: string;
  /** In words, with what to do where there is something. */
  readonly reason: string;
  /** Only a person can change it. */
  readonly refused: boolean;
}

type Facts = Omit<LinkReport, 'state' | 'since' | 'connectedSince' | 'disconnectedSince'>;

/** Keeps the report of one link: the loop writes it, anybody may read it or watch. */
export class LinkMonitor {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #watchers: ((report: LinkReport) => void)[] = [];
  readonly #listeners: (() => void)[] = [];
  #state: LinkState = 'idle';
  #since: number;
  #sessionChangedAt: number;
  #facts: Facts = {};

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    this.#since = this.#sessionChangedAt = clock.now();
  }

  /** As it is now; a new object each time. */
  get report(): LinkReport {
    const { session } = this.#facts;
    const at = this.#sessionChangedAt;
    return {
      state: this.#state,
      since: this.#since,
      ...this.#facts,
      ...(session === undefined ? { disconnectedSince: at } : { connectedSince: at }),
    };
  }

  /** Calls `watcher` at every change of the state with what is known then; it must not throw. */
  watch(watcher: (report: LinkReport) => void): void {
    this.#watchers.push(watcher);
  }

  /** Calls `listener` whenever the service has answered a ping; it must not throw. */
  listen(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** The service has answered a ping. */
  heard(): void {
    for (const listener of this.#listeners) listener();
  }

  /** An address is about to be dialled. */
  dials(url: string, proxy: string | undefined): void {
    const { proxy: _, issuer: __, ...facts } = this.#facts;
    this.#facts = { ...facts, url, ...(proxy !== undefined && { proxy }) };
  }

  /** TLS with it is up, and its certificate is good. */
  verified(issuer: string | undefined): void {
    this.#facts = { ...this.#facts, ...(issuer !== undefined && { issuer }) };
  }

  /** A session is about to be ready. */
  welcomed(session: string): void {
    this.#sessionChangedAt = this.#clock.now();
    this.#facts = { ...this.#facts, session };
  }

  /** No session came about, or the one there was is lost. */
  failed(failure: LinkFailure): void {
    this.#facts = { ...this.#facts, lastFailure: failure };
  }

  /** How long until the next try; nothing is waited for any more when it is not given. */
  waits(ms?: number): void {
    const { nextTryAt: _, ...facts } = this.#facts;
    const now = this.#clock.now();
    this.#facts = { ...facts, ...(ms !== undefined && { nextTryAt: now + ms }) };
  }

  /** Tells the watchers. */
  enters(state: LinkState): void {
    this.#state = state;
    this.#since = this.#clock.now();
    if (state !== 'ready' && state !== 'draining') this.#dropSession();
    for (const watcher of this.#watchers) watcher(this.report);
  }

  #dropSession(): void {
    const { session, ...facts } = this.#facts;
    if (session === undefined) return;
    this.#facts = facts;
    this.#sessionChangedAt = this.#clock.now();
  }
}
