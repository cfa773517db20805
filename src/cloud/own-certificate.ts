import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:tls';
import { timestamp } from '../protocol/shapes.ts';
import type { Clock } from '../support/clock.ts';
import { ConfigError } from '../support/config-error.ts';
import { messageOf } from '../support/errors.ts';
import { privateFile } from '../support/files.ts';
import type { Logger } from '../support/logger.ts';
import type { CloudConfig } from './config/cloud-config.ts';
import { showPair } from './public-server.ts';
import { readTlsPair, type TlsPair } from './tls-pair.ts';

const LOOK_EVERY_MS = 60_000;

/**
 * The pair that the configuration names; undefined where it names none. Rejects with `ConfigError`, or
 * with `FolderError` when others can read the key.
 */
export async function readOwnCertificate({
  certificateFile,
  keyFile,
}: CloudConfig['listen']): Promise<TlsPair | undefined> {
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  const read = await readTlsPair({ certificateFile, keyFile });
  if ('problems' in read) {
    throw new ConfigError(
      read.problems.map(({ file, problem }) => ({ key: `listen.${file}`, problem })),
    );
  }
  await privateFile(keyFile);
  return read.pair;
}

export interface CertificateWatch {
  readonly listen: CloudConfig['listen'];
  /** What the server shows now. */
  readonly shown: TlsPair;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Shows a renewed certificate to whoever connects from then on, until `signal` aborts; connections stay.
 * The old one is kept, and the log says so, while the new one cannot be used. Never rejects.
 */
export async function watchCertificate(
  server: Server,
  { listen, shown, clock, log }: CertificateWatch,
  signal: AbortSignal,
): Promise<void> {
  let [current, last, told] = [shown, '', ''];
  for (;;) {
    await clock.sleep(LOOK_EVERY_MS, signal);
    if (signal.aborted) return;
    let problem = '';
    try {
      const next = (await readOwnCertificate(listen)) ?? current;
      if (next.cert !== current.cert || next.key !== current.key) {
        showPair(server, next);
        current = next;
        const { validTo } = new X509Certificate(next.cert);
        log.info('cloud.certificate_changed', { expiresAt: timestamp(Date.parse(validTo)) });
      }
      told = ''; // the same may be wrong with the next one
    } catch (error) {
      problem = messageOf(error);
    }
    // Two files are not replaced at one instant: what is so only for now is not told of.
    if (problem !== '' && problem === last && problem !== told) {
      log.error('cloud.certificate_refused', { reason: problem });
      told = problem;
    }
    last = problem;
  }
}
