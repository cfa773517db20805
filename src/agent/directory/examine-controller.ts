import { ResultCodeError } from 'ldapts';
import type { Clock } from '../../support/clock.ts';
import { toDirectoryError } from './ad-errors.ts';
import { ConnectionError, type CertificateFault } from './connection-error.ts';
import { DirectoryError } from './directory.ts';
import { LdapConnection } from './ldap-connection.ts';
import type { VouchingKey } from './pinned-keys.ts';
import { readProfile, type Asking } from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';
import { PasswordHeldError, type ServiceAccount } from './service-account.ts';
import { connectTls, type DomainController, type Trust } from './tls-socket.ts';

type Step = 'connect' | 'bind' | 'ask';

/** How far one controller could be used, step by step. */
export interface Examination {
  readonly name: string;
  /** Address and port. */
  readonly where: string;
  /** The first step that did not work; absent: all did. */
  readonly failedAt?: Step | 'tls';
  /** What was wrong there, in words, with the cure where there is one. */
  readonly problem?: string;
  /** What it was, where that decides what to do. `held`: another controller rejected the password. */
  readonly why?: CertificateFault | 'held';
  readonly certificateExpiresAt?: number;
  /** The pinned key that was found; absent also where none is pinned. */
  readonly pinned?: VouchingKey;
  readonly profile?: ControllerProfile;
  /** How far its clock is ahead of this machine's. */
  readonly clockOffsetMs?: number;
  readonly tookMs: number;
}

export interface ExaminationParts {
  readonly account: ServiceAccount;
  readonly trust: Trust;
  /** For each step. */
  readonly ms: number;
  readonly clock: Clock;
}

export interface Examined {
  readonly examination: Examination;
  /** Connected and bound, for more questions; the caller closes it. */
  readonly asking: Asking | undefined;
}

/** Connects, binds and asks a controller for itself. Never rejects but for a bug; changes nothing. */
export async function examineController(
  where: DomainController,
  { account, trust, ms, clock }: ExaminationParts,
  signal: AbortSignal,
): Promise<Examined> {
  const { name, address, port } = where;
  const started = clock.monotonic();
  const limit = { ms, clock, signal };
  let connection: LdapConnection | undefined;
  let step: Step = 'connect';
  let pinned: VouchingKey | undefined;
  const known = (): Omit<Examination, keyof Failure> => ({
    name,
    where: `${address ?? name}:${port ?? 636}`,
    ...(connection?.certificateExpiresAt !== undefined && {
      certificateExpiresAt: connection.certificateExpiresAt,
    }),
    ...(pinned !== undefined && { pinned }),
    tookMs: Math.round(clock.monotonic() - started),
  });
  try {
    const connected = await connectTls(where, trust, limit);
    pinned = connected.pinned;
    const opened = new LdapConnection(connected.socket, name, clock);
    connection = opened;
    step = 'bind';
    await account.bind(name, (user, password) => opened.bind(user, password, { ms, signal }));
    step = 'ask';
    const asking = { connection: opened, controller: name, ms, signal };
    const profile = await readProfile(asking);
    const clockOffsetMs = profile.currentTimeMs - clock.now();
    return { examination: { ...known(), profile, clockOffsetMs }, asking };
  } catch (error) {
    connection?.destroy('not needed any more');
    return { examination: { ...known(), ...failureAt(step, error, name) }, asking: undefined };
  }
}

type Failure = Pick<Examination, 'failedAt' | 'problem' | 'why'>;

function failureAt(step: Step, error: unknown, name: string): Failure {
  if (error instanceof ResultCodeError) {
    return { failedAt: step, problem: toDirectoryError(error, 'bind', name).message };
  }
  if (error instanceof ConnectionError) {
    const { stage, certificate, message: problem } = error;
    const failedAt = step === 'connect' && stage === 'tls' ? 'tls' : step;
    return { failedAt, problem, ...(certificate && { why: certificate }) };
  }
  if (!(error instanceof DirectoryError)) throw error;
  const isHeld = error instanceof PasswordHeldError;
  return { failedAt: step, problem: error.message, ...(isHeld && { why: 'held' }) };
}
