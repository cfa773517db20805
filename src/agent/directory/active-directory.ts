import type { ControllerHealth } from '../../protocol/status.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import { toReading } from './account-reading.ts';
import { writeAccount } from './account-write.ts';
import { ConnectionError } from './connection-error.ts';
import { Controller, type Timeouts } from './controller.ts';
import { Controllers } from './controllers.ts';
import { within } from './deadline.ts';
import {
  DirectoryError,
  type AccountAddress,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
  type Directory,
  type ReadOptions,
  type WriteTarget,
} from './directory.ts';
import type { LdapConnection } from './ldap-connection.ts';
import { findAccount, readAccount, type Asking } from './queries.ts';
import { probeController } from './probe.ts';
import type { ControllerProfile } from './root-dse.ts';
import { ServiceAccount, type BindOptions } from './service-account.ts';
import { trust, type DomainController } from './tls-socket.ts';

export interface ActiveDirectoryOptions {
  /** All of one domain, in order of preference. */
  readonly domainControllers: readonly [DomainController, ...DomainController[]];
  /** PEM. Nothing else is trusted when given, else what Node and the operating system trust. */
  readonly ca?: readonly string[];
  readonly bind: BindOptions;
  /** Ask and write on the PDC emulator as long as it answers. Default is true. */
  readonly preferPdc?: boolean;
  readonly timeouts?: Partial<Timeouts>;
  /** To each controller, for reading and again for writing. Default is 4. */
  readonly connections?: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const TIMEOUTS: Timeouts = { connectMs: 3_000, readMs: 4_000, writeMs: 8_000, totalMs: 10_000 };

/** The directory behind LDAPS. Connects when it is first asked; never rejects or throws itself. */
export function openActiveDirectory(options: ActiveDirectoryOptions): Directory {
  return new ActiveDirectory(options);
}

class ActiveDirectory implements Directory {
  readonly #controllers: Controllers;
  readonly #timeouts: Timeouts;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: ActiveDirectoryOptions) {
    const { domainControllers, bind, clock, log } = options;
    this.#clock = clock;
    this.#log = log;
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    const context = {
      account: new ServiceAccount(bind, clock, log),
      trust: trust(options.ca ?? []),
      timeouts: this.#timeouts,
      connections: options.connections ?? 4,
      clock,
      log,
    };
    this.#controllers = new Controllers(
      domainControllers.map((where) => new Controller(where, context)),
      { preferPdc: options.preferPdc ?? true, readMs: this.#timeouts.readMs, clock },
    );
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
      throw this.#logged(error);
    } finally {
      giveUp.abort('over');
    }
  }

  async apply(
    target: WriteTarget,
    change: AccountChange,
    signal: AbortSignal,
  ): Promise<AppliedChange> {
    try {
      const controller = this.#controllers.named(target.controller);
      const { writeMs } = this.#timeouts;
      const write = async (connection: LdapConnection): Promise<AppliedChange> => {
        const asking = this.#asking(controller, connection, signal);
        return writeAccount(controller, asking, { ...target, change, writeMs });
      };
      return await controller.use('write', write, signal);
    } catch (error) {
      throw this.#logged(writeFailure(error, target.controller));
    }
  }

  check(signal: AbortSignal): Promise<readonly ControllerHealth[]> {
    const { totalMs: ms } = this.#timeouts;
    const limit = { ms, clock: this.#clock, signal };
    return Promise.all(
      this.#controllers.all.map((controller) => probeController(controller, limit)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controllers.close();
  }

  #readFrom(
    only: string | undefined,
    address: AccountAddress,
    signal: AbortSignal,
  ): Promise<AccountReading> {
    const ask = (controller: Controller): Promise<AccountReading> => {
      // Who reads is about to write: what that needs is made ready meanwhile.
      void controller.warm();
      const read = (connection: LdapConnection): Promise<AccountReading> =>
        this.#readOn(controller, this.#asking(controller, connection, signal), address);
      return controller.use('read', read, signal);
    };
    return only === undefined
      ? this.#controllers.firstAnswer(ask, signal)
      : this.#controllers.answerOf(only, ask);
  }

  async #readOn(
    controller: Controller,
    asking: Asking,
    address: AccountAddress,
  ): Promise<AccountReading> {
    const profile = await controller.profile(asking);
    refuseUnsuitable(controller.name, profile);
    const objectGuid =
      'objectGuid' in address
        ? address.objectGuid
        : await findAccount(asking, address.name, {
            dn: profile.domainDn,
            names: () => controller.domainNames(asking, profile),
          });
    // One question at a time: behind Nagle's algorithm the answer to a second one waits for an ACK.
    const invocationId = await controller.invocationId(asking, profile);
    const domain = await controller.domain(asking, profile);
    const controllerClock = await controller.clock(asking);
    const entry = await readAccount(asking, objectGuid);
    const readAtMs = this.#clock.now();
    const controllerTimeMs = controllerClock();
    const settingsDn = entry.text('msDS-ResultantPSO');
    const policy =
      settingsDn === undefined
        ? domain.policy
        : await controller.fineGrainedPolicy(asking, settingsDn);
    const name = controller.name;
    const { ownSids } = profile;
    const known = { controllerTimeMs, readAtMs, invocationId, ownSids, policy };
    return toReading(entry, { controller: name, ...known });
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
  const misconfigured = stage === 'tls' || stage === 'unsuitable';
  const unsent = misconfigured ? 'DIRECTORY_CONFIG' : 'DIRECTORY_UNREACHABLE';
  const code = stage === 'operation' && sent ? 'INDETERMINATE' : unsent;
  return new DirectoryError(code, message, { controller, cause: error });
}

function refuseUnsuitable(name: string, { readOnly, synchronized }: ControllerProfile): void {
  if (readOnly) {
    throw new ConnectionError('unsuitable', `${name} is a read-only domain controller: ${CURE}`);
  }
  if (!synchronized) {
    throw new ConnectionError('unsuitable', `${name} has not finished its first replication`);
  }
}

const CURE = 'configure writable ones';
