import type { ControllerHealth } from '../../protocol/status.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { readOn } from './account-read.ts';
import { writeAccount } from './account-write.ts';
import { Affinity, hasCaughtUp } from './affinity.ts';
import type { Ask } from './ask-in-turn.ts';
import { ConnectionError } from './connection-error.ts';
import { ControllerClocks } from './controller-clocks.ts';
import { Controller, type Timeouts } from './controller.ts';
import { Controllers } from './controllers.ts';
import { within, type Late } from './deadline.ts';
import {
  DirectoryError,
  type AccountAddress,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
  type Directory,
  type ReadOptions,
  type SelfTest,
  type WriteTarget,
} from './directory.ts';
import type { LdapConnection } from './ldap-connection.ts';
import { printable, probeController } from './probe.ts';
import type { Asking } from './queries.ts';
import { selfTestOn } from './self-test.ts';
import { openRoster, type ControllerSource } from './roster.ts';
import { ServiceAccount, type BindOptions } from './service-account.ts';
import { trust, type DomainController, type TrustOptions } from './tls-socket.ts';

export interface ActiveDirectoryOptions extends TrustOptions {
  /** All of one domain, in order of preference; or how to find them. */
  readonly domainControllers: ControllerSource;
  readonly bind: BindOptions;
  /** Ask and write on the PDC emulator as long as it answers. Default is true. */
  readonly preferPdc?: boolean;
  readonly timeouts?: Partial<Timeouts>;
  /** To each controller, for reading and again for writing. Default is 4. */
  readonly connections?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const TIMEOUTS: Timeouts = {
  connectMs: 3_000,
  headStartMs: 1_500,
  readMs: 4_000,
  writeMs: 8_000,
  totalMs: 10_000,
};

/** The directory behind LDAPS. Connects when it is first asked; never rejects or throws itself. */
export function openActiveDirectory(options: ActiveDirectoryOptions): Directory {
  return new ActiveDirectory(options);
}

class ActiveDirectory implements Directory {
  readonly #controllers: Controllers;
  readonly #affinity: Affinity;
  readonly #clocks: ControllerClocks;
  readonly #user: string;
  /** For what can be said of none of its controllers. */
  readonly #name: string;
  readonly #closing = new AbortController();
  readonly #timeouts: Timeouts;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: ActiveDirectoryOptions) {
    const { domainControllers, bind, clock, log } = options;
    this.#name =
      'domain' in domainControllers ? domainControllers.domain : domainControllers[0].name;
    this.#user = bind.user;
    this.#clock = clock;
    this.#log = log;
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    const context = {
      account: new ServiceAccount(bind, clock, log),
      trust: trust(options),
      timeouts: this.#timeouts,
      connections: options.connections ?? 4,
      clock,
      log,
    };
    const controller = (where: DomainController): Controller => new Controller(where, context);
    this.#affinity = new Affinity(clock);
    this.#clocks = new ControllerClocks(clock);
    this.#controllers = new Controllers(openRoster(domainControllers, { controller, clock, log }), {
      preferPdc: options.preferPdc ?? true,
      ...this.#timeouts,
      clock,
    });
  }

  async read(
    address: AccountAddress,
    signal: AbortSignal,
    { only }: ReadOptions = {},
  ): Promise<AccountReading> {
    const giveUp = new AbortController();
    const limit = { ms: this.#timeouts.totalMs, clock: this.#clock, signal };
    try {
      return await within(this.#readFrom(only, address, giveUp.signal), limit, (why) => {
        const reason = why === 'timeout' ? `no answer within ${limit.ms} ms` : 'stopped';
        return new DirectoryError('DIRECTORY_UNREACHABLE', `reading an account: ${reason}`);
      });
    } catch (error) {
      // After an answer, whoever is slower may end in its own time: so it is learned how it fares.
      giveUp.abort('over');
      throw this.#logged(error);
    }
  }

  async apply(
    target: WriteTarget,
    change: AccountChange,
    signal: AbortSignal,
  ): Promise<AppliedChange> {
    const { objectGuid } = target;
    try {
      const controller = await this.#controllers.named(target.controller);
      const { writeMs } = this.#timeouts;
      const write = async (connection: LdapConnection): Promise<AppliedChange> => {
        const asking = this.#asking(controller, connection, signal);
        return writeAccount(controller, asking, { objectGuid, change, writeMs });
      };
      const applied = await controller.use('write', write, signal);
      this.#affinity.wrote(objectGuid, controller.name);
      return applied;
    } catch (error) {
      const failure = writeFailure(error, target.controller);
      if (failure instanceof DirectoryError && failure.code === 'INDETERMINATE') {
        this.#affinity.wrote(objectGuid, target.controller);
      }
      throw this.#logged(failure);
    }
  }

  async check(signal: AbortSignal): Promise<readonly ControllerHealth[]> {
    const limit = { ms: this.#timeouts.totalMs, clock: this.#clock, signal };
    const unknown = (why: Late): Error =>
      new DirectoryError('DIRECTORY_UNREACHABLE', `looking for domain controllers: ${why}`);
    try {
      const all = await within(this.#controllers.all(), limit, unknown);
      return await Promise.all(
        all.map((controller) => probeController(controller, this.#clocks, limit)),
      );
    } catch (error) {
      if (!(error instanceof DirectoryError)) throw error;
      return [
        { name: this.#name, reachable: false, bound: false, problem: printable(error.message) },
      ];
    }
  }

  async selfTest(baseDns: readonly string[], signal: AbortSignal): Promise<SelfTest> {
    const options = { baseDns, user: this.#user };
    const giveUp = new AbortController();
    const ask: Ask<SelfTest> = (controller) => {
      const test = (connection: LdapConnection): Promise<SelfTest> =>
        selfTestOn(controller, this.#asking(controller, connection, giveUp.signal), options);
      return controller.use('read', test, giveUp.signal);
    };
    const limit = { ms: this.#timeouts.totalMs, clock: this.#clock, signal };
    try {
      return await within(
        this.#controllers.firstAnswer(ask, undefined, giveUp.signal),
        limit,
        (why) => {
          const reason = why === 'timeout' ? `no answer within ${limit.ms} ms` : 'stopped';
          return new DirectoryError('DIRECTORY_UNREACHABLE', `looking at the rights: ${reason}`);
        },
      );
    } finally {
      giveUp.abort('over');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#controllers.close();
  }

  async #readFrom(
    only: string | undefined,
    address: AccountAddress,
    signal: AbortSignal,
  ): Promise<AccountReading> {
    const ask = this.#reader(address, signal);
    if (only !== undefined) return this.#controllers.answerOf(only, ask);
    const known = 'objectGuid' in address ? this.#affinity.homeOf(address.objectGuid) : undefined;
    const reading = await this.#controllers.firstAnswer(ask, known, signal);
    const { objectGuid, controller } = reading;
    const home = this.#affinity.homeOf(objectGuid);
    if (home === undefined) return reading;
    if (home === controller) {
      void this.#watchReplication(reading);
      return reading;
    }
    // Found by its name on a controller that may not know yet what was written on another one.
    if (known === undefined) return this.#readFrom(undefined, { objectGuid }, signal);
    return reading;
  }

  #reader(address: AccountAddress, signal: AbortSignal): Ask<AccountReading> {
    return (controller) => {
      // Who reads is about to write: what that needs is made ready meanwhile.
      void controller.warm();
      const read = (connection: LdapConnection): Promise<AccountReading> => {
        const asking = this.#asking(controller, connection, signal);
        return readOn(controller, asking, { address, clocks: this.#clocks, clock: this.#clock });
      };
      return controller.use('read', read, signal);
    };
  }

  /** Lets an account go home to the preferred controller once that one has what was written. Never rejects. */
  async #watchReplication(written: AccountReading): Promise<void> {
    const { objectGuid, controller } = written;
    try {
      const preferred = await this.#controllers.preferred();
      if (preferred === undefined || preferred.name === controller) return;
      const ask = this.#reader({ objectGuid }, this.#closing.signal);
      const reading = await this.#controllers.answerOf(preferred.name, ask);
      if (hasCaughtUp(reading, written)) this.#affinity.replicated(objectGuid, controller);
    } catch (error) {
      // The next reading looks again.
      if (!(error instanceof DirectoryError)) throw error;
    }
  }

  #asking(controller: Controller, connection: LdapConnection, signal: AbortSignal): Asking {
    return { connection, controller: controller.name, ms: this.#timeouts.readMs, signal };
  }

  /** The server's own words go into the log and no further. */
  #logged(error: unknown): unknown {
    if (error instanceof DirectoryError && error.diagnostic !== undefined) {
      const { code, controller, diagnostic } = error;
      this.#log.info('directory.refused', { code, controller, diagnostic });
    }
    return error;
  }
}

/** What a failed write has to be called. */
function writeFailure(error: unknown, controller: string): unknown {
  if (!(error instanceof ConnectionError)) return error;
  const { stage, sent, message } = error;
  if (stage === 'busy') {
    const why = `${controller}: ${message}`;
    return new DirectoryError('DIRECTORY_BUSY', why, { controller, cause: error });
  }
  const misconfigured = stage === 'tls' || stage === 'unsuitable';
  const unsent = misconfigured ? 'DIRECTORY_CONFIG' : 'DIRECTORY_UNREACHABLE';
  const code = stage === 'operation' && sent ? 'INDETERMINATE' : unsent;
  return new DirectoryError(code, message, { controller, cause: error });
}
