/**
 * How far a connection had come when it failed; `unsuitable` works, and is not what we need, `busy`
 * means that all of ours were in use, which says nothing about the controller.
 */
export type Stage = 'busy' | 'connect' | 'tls' | 'bind' | 'operation' | 'unsuitable';

/** What is wrong with a certificate where a person has to set something right about it. */
export type CertificateFault =
  'untrusted' | 'other-name' | 'expired' | 'ca-expired' | 'too-early' | 'not-pinned';

interface ConnectionErrorDetails {
  readonly cause?: unknown;
  readonly sent?: boolean;
  readonly late?: boolean;
  readonly certificate?: CertificateFault;
}

/** A connection that could not be made or did not last; inside `directory/` only. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly stage: Stage;
  /** Whether bytes of a request may have left without an answer. */
  readonly sent: boolean;
  /** It ended because nothing came in time, not because something went wrong. */
  readonly late: boolean;
  readonly certificate: CertificateFault | undefined;

  constructor(stage: Stage, message: string, details: ConnectionErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.stage = stage;
    this.sent = details.sent ?? false;
    this.late = details.late ?? false;
    this.certificate = details.certificate;
  }
}
