import type { Logger } from '../../support/logger.ts';
import { looksLikeInspection, type PresentedChain } from '../../support/presented-chain.ts';
import { LinkError } from './link-error.ts';

/** Who has signed the certificates of the addresses while they were trusted: what inspects TLS shows by a change. */
export class Issuers {
  readonly #log: Logger;
  readonly #byUrl = new Map<string, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Notes a certificate that is good; says once where its name is that of something that opens TLS. */
  verified(url: string, chain: PresentedChain | undefined): void {
    if (chain === undefined || this.#byUrl.get(url) === chain.issuer) return;
    this.#byUrl.set(url, chain.issuer);
    if (looksLikeInspection(chain)) this.#log.info('link.tls_inspected', { issuer: chain.issuer });
  }

  /** Why an address could not be dialled, with who had signed before where somebody unknown has now. */
  explained(url: string, error: unknown): unknown {
    const before = this.#byUrl.get(url);
    if (!(error instanceof LinkError) || error.code !== 'UNTRUSTED' || before === undefined) {
      return error;
    }
    const message = `${error.message}. Until now its certificate was issued by "${before}"`;
    return new LinkError('UNTRUSTED', message);
  }
}
