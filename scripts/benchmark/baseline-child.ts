import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, importJWK, type CryptoKey, type JWK } from 'jose';
import { openJournal } from '../../src/agent/commands/journal.ts';
import { commandDigest, signedHash } from '../../src/protocol/digest.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import { open } from '../../src/protocol/sealing.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { signToken, verifyToken } from '../../src/protocol/tokens.ts';
import { winstonLogger } from '../../src/support/winston-logger.ts';
import { inParallel } from './work-pool.ts';
import { usage } from './child.ts';

export interface BaselineInput {
  readonly journal: string;
  readonly issuer: string;
  readonly directory: string;
  readonly agent: string;
  readonly service: PublicKey;
  readonly sealing: JWK;
  readonly device: JWK;
  readonly tokens: readonly string[];
  /** How many of them come before anything is measured. */
  readonly warmUp: number;
  readonly atOnce: number;
}

/**
 * What no agent can do without: verify the command, open the secret, journal the intent, sign the
 * outcome, journal it. No link, no guard, no directory, no log.
 */
const input = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as BaselineInput;
const key = createLocalJWKSet({ keys: [input.service] });
const sealing = (await importJWK(input.sealing, 'ECDH-ES+A256KW')) as CryptoKey;
const device = { kid: 'device', key: (await importJWK(input.device, 'ES256')) as CryptoKey };
const log = winstonLogger({ level: 'error', readable: false });
const journal = await openJournal({ path: input.journal, now: Date.now, uuid: randomUUID, log });
let seq = 0;

async function one(token: string): Promise<void> {
  const { issuer, directory, agent } = input;
  const expected = { key, now: Date.now(), audience: directory, issuer };
  const claims = await verifyToken('command', token, expected);
  if (claims.op === 'unlock') throw new TypeError('the benchmark resets');
  const { cmd, jti, op, account, baseline, notAfter, unlock, mustChange, secret } = claims;
  const { by, actor } = claims;
  const options = { unlock, mustChange };
  await open(secret, sealing, { directory, cmd, op, account, options, baseline, notAfter });
  const digest = commandDigest(claims);
  const { controller, controllerTime, pwdLastSet, lockoutTime } = baseline;
  const hash = signedHash(token);
  const at = timestamp(Date.now());
  const { objectGuid } = account;
  await journal.append({
    ...{ type: 'intent', cmd, jti, digest, token: hash, op, objectGuid, controller },
    ...{ by, actor, unlock, mustChange: 'not-asked', controllerTime },
    ...{ pwdLastSet, lockoutTime, notAfter, at },
  });
  const number = ++seq;
  const jws = await signToken(
    'outcome',
    {
      iss: agent,
      aud: directory,
      iat: Math.floor(Date.now() / 1000),
      token: hash,
      ...{ cmd, jti, op, digest },
      chain: { epoch: journal.epoch, seq: number, previous: digest },
      outcome: { status: 'applied', code: 'APPLIED', message: 'done', tookMs: 1 },
    },
    device,
  );
  const answer = { cmd, jti, digest, code: 'APPLIED', seq: number, jws, notAfter } as const;
  await journal.append({ type: 'outcome', ...answer });
}

async function run(): Promise<{ readonly seconds: number; readonly cpuUs: number }> {
  const { tokens, warmUp, atOnce } = input;
  await inParallel(tokens.slice(0, warmUp), atOnce, one);
  const before = usage().cpuUs;
  const seconds = await inParallel(tokens.slice(warmUp), atOnce, one);
  return { seconds, cpuUs: usage().cpuUs - before };
}

process.on('message', (question) => {
  if (question !== 'run') return;
  void run().then((measured) => {
    process.send?.(measured);
    process.disconnect();
  });
});
process.send?.('ready');
