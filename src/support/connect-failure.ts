/** Why no connection came about, by who can do something about it. */
export type ConnectFailureKind =
  | 'dns'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'reset'
  | 'tls-untrusted'
  | 'tls'
  | 'proxy-login'
  | 'proxy-refused'
  | 'other';

export interface ConnectFailure {
  readonly kind: ConnectFailureKind;
  /** The cause in words. */
  readonly reason: string;
  /** The certificate may be good, but nobody who is trusted has signed it. */
  readonly isUnknownCa?: boolean;
  /** One of the certificates shown has ended. */
  readonly isExpired?: boolean;
}

/** No connection came about, and why in words. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly kind: ConnectFailureKind;
  /** Where on the way it failed. */
  readonly at: 'proxy' | 'service';
  /** A CA that is not trusted is all that is wrong with the certificate. */
  readonly isUnknownCa: boolean;

  constructor(
    { kind, reason, isUnknownCa = false }: ConnectFailure,
    at: 'proxy' | 'service' = 'service',
  ) {
    super(reason);
    this.kind = kind;
    this.at = at;
    this.isUnknownCa = isUnknownCa;
  }
}

const BY_CODE: Readonly<Partial<Record<string, ConnectFailure>>> = {
  ENOTFOUND: { kind: 'dns', reason: 'the host name is not known to DNS' },
  EAI_AGAIN: { kind: 'dns', reason: 'DNS does not answer' },
  ECONNREFUSED: { kind: 'refused', reason: 'nothing listens there (connection refused)' },
  EHOSTUNREACH: { kind: 'unreachable', reason: 'there is no route to the host' },
  ENETUNREACH: { kind: 'unreachable', reason: 'the network cannot be reached' },
  ENETDOWN: { kind: 'unreachable', reason: 'the network is down' },
  ETIMEDOUT: { kind: 'timeout', reason: 'no answer in time (a firewall may drop the packets)' },
  ECONNRESET: { kind: 'reset', reason: 'the connection was cut by the other side or on the way' },
  EPIPE: { kind: 'reset', reason: 'the connection was cut by the other side or on the way' },
  CERT_HAS_EXPIRED: {
    kind: 'tls-untrusted',
    reason: 'the certificate has expired',
    isExpired: true,
  },
  CERT_NOT_YET_VALID: {
    kind: 'tls-untrusted',
    reason: 'the certificate is not valid yet; compare the clocks',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    kind: 'tls-untrusted',
    reason: 'the certificate is for another host name',
  },
  EPROTO: { kind: 'tls', reason: 'the other side does not speak TLS 1.2 or newer' },
};

const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_REVOKED',
  'INVALID_CA',
  'INVALID_PURPOSE',
]);

/** Says in words why a TCP, TLS or DNS step failed; never throws. */
export function connectFailure(error: unknown): ConnectFailure {
  if (error instanceof ConnectError) {
    const { kind, message: reason, isUnknownCa } = error;
    return { kind, reason, isUnknownCa };
  }
  const code = codeOf(error);
  const known = BY_CODE[code];
  if (known !== undefined) return known;
  if (UNTRUSTED.has(code)) {
    const reason = `no trusted CA has signed the certificate (${code})`;
    return { kind: 'tls-untrusted', reason, isUnknownCa: true };
  }
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) {
    return { kind: 'tls', reason: `the TLS handshake failed (${code})` };
  }
  return { kind: 'other', reason: `the connection failed (${code})` };
}

function codeOf(error: unknown): string {
  // Node tries IPv4 and IPv6 and reports both failures in one AggregateError.
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  if (typeof error !== 'object' || error === null || !('code' in error)) return 'unknown';
  return typeof error.code === 'string' ? error.code : 'unknown';
}
