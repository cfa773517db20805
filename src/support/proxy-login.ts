import type { Clock } from './clock.ts';
import { ConnectError } from './connect-failure.ts';
import { isFault } from './errors.ts';
import { fileFailure } from './file-failure.ts';
import { readSecretFile } from './secret-file.ts';
import type { Secret } from './secret.ts';

/** A directory behind the proxy may lock an account after a few wrong passwords. */
const REST_MS = 5 * 60_000;

/**
 * The `user:password` of a proxy, in a file that is read anew for each connection. What was refused
 * is not offered again for five minutes, unless the file has changed.
 */
export class ProxyLogin {
  readonly file: string;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #refused: { readonly login: Secret; readonly at: number } | undefined;

  constructor(file: string, clock: Pick<Clock, 'monotonic'>) {
    this.file = file;
    this.#clock = clock;
  }

  /** Rejects with `ConnectError` when the file cannot be read, or holds what was refused lately. */
  async read(): Promise<Secret> {
    const login = await readSecretFile(this.file).catch((error: unknown) => {
      throw this.#unusable(
        isFault(error) ? `cannot be used: ${error.message}` : fileFailure(error),
      );
    });
    if (this.#isRefused(login)) {
      throw this.#unusable('was refused by the proxy: correct it, it is read again');
    }
    return login;
  }

  /** Notes that the proxy does not take this one. */
  refuse(login: Secret): void {
    this.#refused = { login, at: this.#clock.monotonic() };
  }

  #isRefused(login: Secret): boolean {
    if (this.#refused === undefined) return false;
    const { login: refused, at } = this.#refused;
    return refused.reveal() === login.reveal() && this.#clock.monotonic() - at < REST_MS;
  }

  #unusable(why: string): ConnectError {
    const reason = `the login of the proxy in ${this.file} ${why}`;
    return new ConnectError({ kind: 'proxy-login', reason }, 'proxy');
  }
}
