import { Resolver } from 'node:dns/promises';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { messageOf } from '../../support/errors.ts';
import type { Controller } from './controller.ts';
import { findControllers, type SrvDomain, type SrvResolver } from './srv-discovery.ts';
import type { DomainController } from './tls-socket.ts';

/** Which controllers there are. */
export interface Roster {
  /** All of them, those to be asked first in front. Rejects with a `DirectoryError` while none is known. */
  list(): Promise<readonly Controller[]>;
  /** Looks for others, after none of these has answered: those that are new, if any. Never rejects. */
  others(): Promise<readonly Controller[]>;
  /** The one with this name, even when it is listed no longer. */
  named(name: string): Promise<Controller | undefined>;
  /** Host name of the PDC emulator, as far as it is known without asking a controller. */
  readonly pdc: string | undefined;
  close(): Promise<void>;
}

/** The controllers that an admin has listed. */
export class FixedRoster implements Roster {
  readonly pdc = undefined;
  readonly #all: readonly Controller[];

  constructor(all: readonly Controller[]) {
    this.#all = all;
  }

  list(): Promise<readonly Controller[]> {
    return Promise.resolve(this.#all);
  }

  others(): Promise<readonly Controller[]> {
    return Promise.resolve([]);
  }

  named(name: string): Promise<Controller | undefined> {
    return Promise.resolve(this.#all.find((controller) => isNamed(controller, name)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((controller) => controller.close()));
  }
}

export function isNamed({ name }: Controller, other: string): boolean {
  return name.toLowerCase() === other.toLowerCase();
}

/** A list of controllers, in order of preference, or the domain whose controllers DNS knows. */
export type ControllerSource = readonly [DomainController, ...DomainController[]] | DomainToFind;

export interface DomainToFind {
  readonly domain: string;
  readonly site?: string;
  /** Default is the DNS of the operating system. */
  readonly resolver?: SrvResolver;
  /** Where a found name is connected to. Default is its own address, port 636. */
  readonly place?: (name: string) => DomainController;
  readonly random?: () => number;
}

export interface RosterParts {
  readonly controller: (where: DomainController) => Controller;
  readonly clock: Clock;
  readonly log: Logger;
}

export function openRoster(source: ControllerSource, parts: RosterParts): Roster {
  if (!('domain' in source)) return new FixedRoster(source.map(parts.controller));
  return new FoundRoster({
    resolver: new Resolver({ timeout: DNS_TIMEOUT_MS, tries: 2 }),
    place: (name) => ({ name }),
    random: Math.random,
    ...source,
    ...parts,
  });
}

/** To one DNS server: a person is waiting, and there may be a second one. */
const DNS_TIMEOUT_MS = 1_000;

const LIST_AGE_MS = 10 * 60_000;

/** DNS is not asked more often than this, whatever fails. */
const ASK_AGAIN_MS = 5_000;

interface FoundRosterOptions extends SrvDomain, RosterParts {
  /** Where a found name is connected to. */
  readonly place: (name: string) => DomainController;
}

/** The controllers that DNS names. The last known list stays good while DNS does not answer. */
export class FoundRoster implements Roster {
  readonly #options: FoundRosterOptions;
  /** Every one that was ever named: an operation may have to be looked for on one that is gone. */
  readonly #met = new Map<string, Controller>();
  #listed: readonly Controller[] = [];
  #pdc: string | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = -Infinity;
  #problem: unknown;
  #told = '';
  /** As DNS said last; undefined before the first time. */
  #named: readonly string[] | undefined;
  #closed = false;

  constructor(options: FoundRosterOptions) {
    this.#options = options;
  }

  get pdc(): string | undefined {
    return this.#pdc;
  }

  async list(): Promise<readonly Controller[]> {
    const asked = this.#refresh(this.#listed.length === 0 ? ASK_AGAIN_MS : LIST_AGE_MS);
    if (this.#listed.length === 0) await asked;
    if (this.#listed.length === 0) throw this.#problem;
    // A site's records name its read-only controllers, too, which nobody chose.
    const writable = this.#listed.filter(({ facts }) => !facts.readOnly);
    return writable.length > 0 ? writable : this.#listed;
  }

  async others(): Promise<readonly Controller[]> {
    const known = new Set(this.#listed);
    await this.#refresh(ASK_AGAIN_MS);
    return this.#listed.filter((controller) => !known.has(controller));
  }

  async named(name: string): Promise<Controller | undefined> {
    await this.list().catch(() => undefined);
    return this.#met.get(name.toLowerCase());
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#met.values()].map((controller) => controller.close()));
  }

  /** Asks DNS unless the last time was a moment ago. Never rejects. */
  async #refresh(maxAgeMs: number): Promise<void> {
    const { clock } = this.#options;
    if (this.#closed || clock.monotonic() - this.#askedAt < maxAgeMs) return this.#asking;
    this.#askedAt = clock.monotonic();
    this.#asking = this.#ask();
    await this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      const { names, pdc, problems } = await findControllers(this.#options);
      this.#pdc = pdc ?? this.#pdc;
      this.#listed = names.map((name) => this.#controller(name));
      this.#tell(names, problems);
    } catch (error) {
      this.#problem = error;
      const listed = this.#listed.length;
      this.#options.log.warn('directory.discovery_failed', { reason: messageOf(error), listed });
    }
  }

  #controller(name: string): Controller {
    const known = this.#met.get(name);
    if (known !== undefined) return known;
    const controller = this.#options.controller(this.#options.place(name));
    this.#met.set(name, controller);
    return controller;
  }

  /** Once for each change: the order within it is partly chance. */
  #tell(names: readonly string[], problems: readonly string[]): void {
    const told = JSON.stringify([names.toSorted(), this.#pdc, problems]);
    if (told === this.#told) return;
    this.#told = told;
    const { log, domain } = this.#options;
    const before = this.#named;
    this.#named = names;
    const came = before && names.filter((name) => !before.includes(name)).join(' ');
    const gone = before?.filter((name) => !names.includes(name)).join(' ');
    log[gone ? 'warn' : 'info']('directory.found', {
      ...{ domain, controllers: names.join(' '), pdc: this.#pdc },
      ...(came && { came }),
      ...(gone && { gone }),
    });
    for (const problem of problems) log.warn('directory.discovery_problem', { reason: problem });
  }
}
