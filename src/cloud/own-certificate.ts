import type { Server } from 'node:tls';
import { timestamp } from '../protocol/shapes.ts';
import type { Clock } from '../support/clock.ts';
import { ConfigError } from '../support/config-error.ts';
import { messageOf } from '../support/errors.ts';
import { privateFile } from '../support/files.ts';
import type { Logger } from '../support/logger.ts';
import type { Rounds } from '../support/rounds.ts';
import type { CloudConfig } from './config/cloud-config.ts';
import { warnOfCertificate } from './health/expiry.ts';
import { showPair } from './public-server.ts';
import { lifeOf, readTlsPair, type TlsPair } from './tls-pair.ts';

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

/** What the server shows now; another pair after a renewal. */
export class ShownCertificate {
  #pair: TlsPair;
  #life: ReturnType<typeof lifeOf>;

  constructor(pair: TlsPair) {
    this.#pair = pair;
    this.#life = lifeOf(pair);
  }

  get pair(): TlsPair {
    return this.#pair;
  }

  get startsAt(): number {
    return this.#life.startsAt;
  }

  get expiresAt(): number {
    return this.#life.expiresAt;
  }

  isAnother({ cert, key }: TlsPair): boolean {
    return cert !== this.#pair.cert || key !== this.#pair.key;
  }

  replace(pair: TlsPair): void {
    [this.#pair, this.#life] = [pair, lifeOf(pair)];
  }
}

/** Throws a `ConfigError` for a pair that nobody would accept now, where the one before still does. */
function mustBeGoodNow(next: TlsPair, shown: ShownCertificate, now: number): void {
  const { startsAt, expiresAt } = lifeOf(next);
  const isGood = startsAt <= now && now < expiresAt;
  if (isGood || now >= shown.expiresAt) return;
  const when = now < startsAt ? `from ${timestamp(startsAt)} on` : `until ${timestamp(expiresAt)}`;
  const problem = `what is there now is good only ${when}; the one before stays until ${timestamp(shown.expiresAt)}`;
  throw new ConfigError([{ key: 'listen.certificateFile', problem }]);
}

export interface CertificateWatch {
  readonly listen: CloudConfig['listen'];
  readonly shown: ShownCertificate;
  readonly rounds: Rounds;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Shows a renewed certificate to whoever connects from then on, until `signal` aborts; connections stay.
 * The old one is kept, and the log says so, while the new one cannot be used. Never rejects.
 */
export async function watchCertificate(
  server: Server,
  { listen, shown, rounds, clock, log }: CertificateWatch,
  signal: AbortSignal,
): Promise<void> {
  let [last, told] = ['', ''];
  using round = rounds.begin('the look for a new certificate');
  for (;;) {
    round.turned();
    await clock.sleep(LOOK_EVERY_MS, signal);
    if (signal.aborted) return;
    let problem = '';
    try {
      const next = (await readOwnCertificate(listen)) ?? shown.pair;
      if (shown.isAnother(next)) {
        mustBeGoodNow(next, shown, clock.now());
        showPair(server, next);
        shown.replace(next);
        log.info('cloud.certificate_changed', { expiresAt: timestamp(shown.expiresAt) });
        warnOfCertificate(shown, { clock, log });
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
