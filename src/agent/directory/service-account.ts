import { InvalidCredentialsError } from 'ldapts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import type { Logger } from '../../support/logger.ts';
import type { Secret } from '../../support/secret.ts';
import { diagnosticOf, subCode } from './diagnostic.ts';
import { DirectoryError } from './directory.ts';
import { Lanes } from './lanes.ts';

export interface BindOptions {
  /** User principal name, `DOMAIN\user` or distinguished name of the agent's account. */
  readonly user: string;
  /** Asked before every bind, so that a rotated password is picked up. */
  readonly password: () => Promise<Secret>;
}

/** The password was rejected before, and was not shown to this controller. */
export class PasswordHeldError extends DirectoryError {}

const FIRST_HOLD_MS = 15 * 60_000;
const LONGEST_HOLD_MS = 4 * 60 * 60_000;

/**
 * The agent's own account. A password that one domain controller has rejected is shown to none of
 * them until its time is over or the password is another one: retrying would lock the account.
 */
export class ServiceAccount {
  readonly user: string;
  readonly #password: () => Promise<Secret>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lanes = new Lanes();
  #proven: string | undefined;
  #rejected: { password: string; count: number; until: number; why: string } | undefined;

  constructor({ user, password }: BindOptions, clock: Clock, log: Logger) {
    this.user = user;
    this.#password = password;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Resolves when `attempt` has bound with the current password. Rejects with a `DirectoryError`
   * when there is no password or it is not accepted, else as `attempt` did.
   */
  async bind(
    controller: string,
    attempt: (user: string, password: string) => Promise<void>,
  ): Promise<void> {
    const password = await this.#read();
    // Until one controller has accepted it, one wrong password must not be tried by all at once.
    const lane = password === this.#proven ? controller : 'unproven';
    await this.#lanes.run(lane, () => this.#try(controller, password, attempt));
  }

  async #try(
    controller: string,
    password: string,
    attempt: (user: string, password: string) => Promise<void>,
  ): Promise<void> {
    this.#refuseWhileHeld(controller, password);
    try {
      await attempt(this.user, password);
    } catch (error) {
      if (!(error instanceof InvalidCredentialsError)) throw error;
      throw this.#reject(controller, password, error);
    }
    this.#proven = password;
    this.#rejected = undefined;
  }

  async #read(): Promise<string> {
    let password: string;
    try {
      password = (await this.#password()).reveal();
    } catch (cause) {
      throw new DirectoryError(
        'DIRECTORY_CONFIG',
        `the password of the service account cannot be read: ${messageOf(cause)}`,
        { cause },
      );
    }
    // RFC 4513 section 5.1.2: a bind without a password succeeds and is nobody.
    if (password !== '') return password;
    throw new DirectoryError('DIRECTORY_CONFIG', 'the password of the service account is empty');
  }

  #refuseWhileHeld(controller: string, password: string): void {
    const held = this.#rejected;
    if (held?.password !== password || this.#clock.monotonic() >= held.until) return;
    const minutes = Math.ceil((held.until - this.#clock.monotonic()) / 60_000);
    throw new PasswordHeldError(
      'DIRECTORY_CONFIG',
      `${held.why}; the agent does not try this password again for ${minutes} min, so that it does not lock the account`,
      { controller },
    );
  }

  #reject(controller: string, password: string, cause: InvalidCredentialsError): DirectoryError {
    const count = this.#rejected?.password === password ? this.#rejected.count + 1 : 1;
    const holdMs = Math.min(FIRST_HOLD_MS * 2 ** (count - 1), LONGEST_HOLD_MS);
    const diagnostic = diagnosticOf(cause);
    const why = `${controller} rejects the service account ${this.user}: ${reason(diagnostic)}`;
    this.#proven = undefined;
    this.#rejected = { password, count, until: this.#clock.monotonic() + holdMs, why };
    this.#log.error('directory.credential_rejected', {
      controller,
      user: this.user,
      problem: why,
      diagnostic,
      holdMs,
    });
    return new DirectoryError('DIRECTORY_CONFIG', why, { controller, diagnostic, cause });
  }
}

/** What follows `data` in the diagnostic of a rejected bind: Win32 codes (MS-ERREF 2.2). */
const REASONS: Readonly<Record<string, string>> = {
  '525': 'there is no such account; correct the user name in the agent configuration',
  '52e': 'wrong user name or password; correct the user name or the password file',
  '530': 'it may not log on at this time; take the logon hours off the account',
  '531': 'it may not log on from this machine; take the workstation list off the account',
  '532': 'its password has expired; set a new one and let it never expire',
  '533': 'the account is disabled; enable it',
  '701': 'the account has expired; extend it',
  '773': 'its password must be changed; set one without "must change at next logon"',
  '775': 'the account is locked; unlock it',
};

function reason(diagnostic: string): string {
  return (
    REASONS[subCode(diagnostic) ?? ''] ??
    'check the user name, the password file and the state of the account'
  );
}
