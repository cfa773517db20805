import { timestamp } from '../../protocol/shapes.ts';
import { startCalendar } from '../../support/calendar.ts';
import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';

/** Long enough to renew by hand what nobody renews by itself. */
const WARN_BEFORE_MS = 30 * 24 * 3600_000;

/** Times are epoch milliseconds. */
export interface Expiring {
  /** Where it is known, the warning waits for the last quarter of its life: what is renewed by itself is by then. */
  readonly startsAt?: number;
  readonly expiresAt: number;
}

export interface Expiries {
  readonly keySet: Expiring;
  /** Absent: a reverse proxy has the certificate. */
  readonly certificate: Expiring | undefined;
}

/**
 * What ends soon, or has ended, in words. None of it makes the service not ready: that a key set has ended
 * says readiness itself, and whether a certificate that has ended keeps anybody out is for whoever dials
 * to say (a load balancer may well look at none).
 */
export function expiryWarnings({ keySet, certificate }: Expiries, now: number): readonly string[] {
  return [
    ...(expiryStanding(keySet, now) === 'soon'
      ? [`its key set ends at ${timestamp(keySet.expiresAt)}: run \`passback-cloud keys rotate\``]
      : []),
    ...(certificate === undefined ? [] : certificateWarning(certificate, now)),
  ];
}

interface Deps {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
}

/** Logs that the certificate ends soon, or has ended; nothing where it is good for longer. */
export function warnOfCertificate(certificate: Expiring, { clock, log }: Deps): void {
  const standing = expiryStanding(certificate, clock.now());
  if (standing === 'good') return;
  log[standing === 'soon' ? 'warn' : 'error']('cloud.certificate_expires', {
    expiresAt: timestamp(certificate.expiresAt),
    action: RENEW,
  });
}

/** Does so now and each day until disposed. */
export function warnOfCertificateDaily(certificate: Expiring, deps: Deps): Disposable {
  const work = (): void => {
    warnOfCertificate(certificate, deps);
  };
  work();
  return startCalendar([{ name: 'certificate', when: '7 6 * * *', work }]);
}

const RENEW = 'renew it in listen.certificateFile and listen.keyFile; it is taken within a minute';

function certificateWarning(certificate: Expiring, now: number): readonly string[] {
  const standing = expiryStanding(certificate, now);
  if (standing === 'good') return [];
  const ends = standing === 'soon' ? 'ends' : 'ended';
  return [`its TLS certificate ${ends} at ${timestamp(certificate.expiresAt)}: ${RENEW}`];
}

/** Whether it is good for long, ends soon, or has ended. */
export function expiryStanding(
  { startsAt = -Infinity, expiresAt }: Expiring,
  now: number,
): 'good' | 'soon' | 'ended' {
  if (expiresAt <= now) return 'ended';
  const warnBeforeMs = Math.min(WARN_BEFORE_MS, (expiresAt - startsAt) / 4);
  return expiresAt - now > warnBeforeMs ? 'good' : 'soon';
}
