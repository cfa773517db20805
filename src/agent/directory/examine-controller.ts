import type { SecureContext } from 'node:tls';
import { ResultCodeError } from 'ldapts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import { toDirectoryError } from './ad-errors.ts';
import { ConnectionError } from './connection-error.ts';
import { DirectoryError } from './directory.ts';
import { LdapConnection } from './ldap-connection.ts';
import { readProfile, type Asking } from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';
import type { ServiceAccount } from './service-account.ts';
import { connectTls, type DomainController } from './tls-socket.ts';

/** How far one controller could be used, step by step. */
export interface Examination {
  readonly name: string;
  /** Address and port. */
  readonly where: string;
  /** The first step that did not work; absent: all did. */
  readonly failedAt?: 'connect' | 'tls' | 'bind' | 'ask';
  /** What was wrong there, in words, with the cure where there is one. */
  readonly problem?: string;
  readonly certificateExpiresAt?: number;
  readonly profile?: ControllerProfile;
  /** How far its clock is ahead of this machine's. */
  readonly clockOffsetMs?: number;
  readonly tookMs: number;
}

export interface ExaminationParts {
  readonly account: ServiceAccount;
  readonly trust: SecureContext;
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
  const known = (): Omit<Examination, 'failedAt' | 'problem'> => ({
    name,
    where: `${address ?? name}:${port ?? 636}`,
    ...(connection?.certificateExpiresAt !== undefined && {
      certificateExpiresAt: connection.certificateExpiresAt,
    }),
    tookMs: Math.round(clock.monotonic() - started),
  });
  try {
    const opened = new LdapConnection(await connectTls(where, trust, limit), name, clock);
    connection = opened;
    await account.bind(name, (user, password) => opened.bind(user, password, { ms, signal }));
    const asking = { connection: opened, controller: name, ms, signal };
    const profile = await readProfile(asking);
    const clockOffsetMs = profile.currentTimeMs - clock.now();
    return { examination: { ...known(), profile, clockOffsetMs }, asking };
  } catch (error) {
    connection?.destroy('not needed any more');
    const { failedAt, problem } = failureOf(error, name, connection !== undefined);
    return { examination: { ...known(), failedAt, problem }, asking: undefined };
  }
}

function failureOf(
  error: unknown,
  name: string,
  connected: boolean,
): { readonly failedAt: NonNullable<Examination['failedAt']>; readonly problem: string } {
  if (error instanceof ResultCodeError) {
    return { failedAt: 'bind', problem: toDirectoryError(error, 'bind', name).message };
  }
  if (error instanceof DirectoryError) {
    const isBind = error.code === 'DIRECTORY_CONFIG' && !error.message.includes('does not show');
    return { failedAt: isBind ? 'bind' : 'ask', problem: messageOf(error) };
  }
  if (!(error instanceof ConnectionError)) throw error;
  const { stage, message } = error;
  const failedAt = stage === 'connect' || stage === 'tls' || stage === 'bind' ? stage : 'ask';
  return { failedAt: connected && failedAt === 'connect' ? 'bind' : failedAt, problem: message };
}
