import { base64url, exportJWK, generateKeyPair } from 'jose';
import {
  EnrollResponse,
  parseEnrollmentToken,
  type EnrollmentToken,
  type EnrollResponseClaims,
} from '../../protocol/enrollment.ts';
import { sha256 } from '../../protocol/digest.ts';
import { publicKey, thumbprint, type PublicKey } from '../../protocol/keys.ts';
import { ENROLL_PATH } from '../../protocol/messages.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { signToken, TokenError, verifyToken, type SigningKey } from '../../protocol/tokens.ts';
import type { Clock } from '../../support/clock.ts';
import { privateFolder } from '../../support/files.ts';
import { knownVersion, markNewest } from '../../support/folder-version.ts';
import type { Outbound } from '../../support/secure-connection.ts';
import { serviceUrl } from '../../support/service-url.ts';
import { IdentityError } from './identity-error.ts';
import { importDevice } from './load-identity.ts';
import { postEnrollment } from './post-enrollment.ts';
import { StoredSealingKeys } from './sealing-keys.ts';
import { readState, writeState, type PrivateKey } from './state-files.ts';
import { STATE_STEPS } from './state-version.ts';
import { StoredTrust } from './trust.ts';
import { parseJson } from '../../support/parse-json.ts';

export interface EnrollOptions {
  /** Where the service is, as the admin typed it (https or wss). */
  readonly url: string;
  readonly tokenText: string;
  /** What people will call this agent. */
  readonly name: string;
  readonly version: string;
  readonly stateFolder: string;
  /** How to get there. */
  readonly outbound: Outbound;
  readonly clock: Clock;
  /** Hears why the service was not reached, before it is tried again. */
  readonly onRetry?: (reason: string) => void;
  /** Default 1 s, doubled; for tests. */
  readonly firstRetryMs?: number;
}

export interface Enrolled {
  readonly agentId: string;
  readonly directory: string;
  readonly issuer: string;
  /** Thumbprint of the device key: what a person compares before approving. */
  readonly fingerprint: string;
}

interface Exchange {
  readonly token: EnrollmentToken;
  readonly mac: SigningKey;
  readonly request: string;
}

/**
 * Makes this machine an agent: keys on disk, their public halves at the service, its root pinned.
 * The state folder counts as enrolled only after everything was checked and written; on any
 * rejection (`IdentityError`, `FolderError`, `FolderVersionError`) it does not.
 */
export async function enroll(options: EnrollOptions, signal: AbortSignal): Promise<Enrolled> {
  const { stateFolder, clock } = options;
  const token = readToken(options.tokenText);
  await privateFolder(stateFolder);
  await knownVersion(stateFolder, STATE_STEPS);
  await refuseSecond(stateFolder);
  await markNewest(stateFolder, STATE_STEPS);
  const { device, deviceKey } = await makeDevice(stateFolder);
  const sealing = await StoredSealingKeys.create(stateFolder, device, clock.now());
  const mac = { kid: token.id, key: base64url.decode(token.secret) };
  const request = await signToken(
    'enroll-request',
    {
      directory: token.directory,
      name: options.name,
      version: options.version,
      deviceKey,
      sealingKey: sealing.statement,
      iat: Math.floor(clock.now() / 1000),
    },
    mac,
  );
  const claims = await exchange({ token, mac, request }, options, signal);
  const { agent, directory, issuer, root } = claims;
  const trust = { folder: stateFolder, root, issuer, clock };
  await StoredTrust.create(trust, claims.keySet).catch((error: unknown) => {
    throw rejected(error, 'the key set of the service was not signed by its root');
  });
  const enrolledAt = timestamp(clock.now());
  await writeState(stateFolder, 'identity', { agent, directory, issuer, root, enrolledAt });
  return { agentId: agent, directory, issuer, fingerprint: device.kid };
}

function readToken(text: string): EnrollmentToken {
  const token = parseEnrollmentToken(text);
  if (token !== undefined) return token;
  throw new IdentityError(
    'TOKEN_UNREADABLE',
    'enroll: this is not a whole enrolment token; copy it again, it is one line that begins with passback-enroll-1.',
  );
}

async function refuseSecond(stateFolder: string): Promise<void> {
  const identity = await readState(stateFolder, 'identity');
  if (identity === undefined) return;
  throw new IdentityError(
    'ALREADY_ENROLLED',
    `enroll: ${stateFolder} already belongs to agent ${identity.agent} of directory ${identity.directory}. To start over, stop the agent, revoke it in the service, and move that folder away`,
  );
}

async function makeDevice(
  stateFolder: string,
): Promise<{ device: Awaited<ReturnType<typeof importDevice>>; deviceKey: PublicKey }> {
  const pair = await generateKeyPair('ES256', { extractable: true });
  const { kty, crv, x, y, d } = (await exportJWK(pair.privateKey)) as PrivateKey; // ES256 is P-256
  const stored = { kty, crv, x, y, d };
  await writeState(stateFolder, 'device', stored);
  return { device: await importDevice(stored), deviceKey: await publicKey(stored, 'sig') };
}

/** Hands the request over and believes the answer only under the token's secret, for this request. */
async function exchange(
  { token, mac, request }: Exchange,
  options: EnrollOptions,
  signal: AbortSignal,
): Promise<EnrollResponseClaims> {
  const text = await postEnrollment(
    {
      url: serviceUrl(options.url, ENROLL_PATH, 'https'),
      body: JSON.stringify({ token: token.id, request }),
      outbound: options.outbound,
      ...(options.onRetry !== undefined && { onRetry: options.onRetry }),
      ...(options.firstRetryMs !== undefined && { firstRetryMs: options.firstRetryMs }),
    },
    signal,
  );
  const { response } = readAnswer(text);
  const claims = await verifyToken('enroll-response', response, {
    key: mac.key,
    now: options.clock.now(),
  }).catch((error: unknown) => {
    throw rejected(error, 'the answer does not come from who made the token');
  });
  if (claims.request !== sha256(request)) {
    throw tampered('the answer is to another request');
  }
  if (claims.directory !== token.directory) {
    throw tampered('the answer is for another directory than the token');
  }
  if ((await thumbprint(claims.root)) !== token.root) throw wrongRoot();
  return claims;
}

function readAnswer(text: string): { readonly response: string } {
  const parsed = EnrollResponse.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new IdentityError(
    'SERVICE_REFUSED',
    'enroll: the answer is not that of a Passback reset service; look at --url',
  );
}

function rejected(error: unknown, what: string): unknown {
  if (!(error instanceof TokenError)) return error;
  if (error.code === 'EXPIRED' || error.code === 'NOT_YET_VALID') {
    return new IdentityError(
      'ANSWER_NOT_AUTHENTIC',
      "enroll: the answer's time does not fit this machine's clock; compare the clocks of both, then enrol with a new token",
    );
  }
  return tampered(what);
}

function tampered(what: string): IdentityError {
  return new IdentityError(
    'ANSWER_NOT_AUTHENTIC',
    `enroll: ${what}. Somebody between you and the service may be altering what you send; look at who reads TLS on the way, then enrol with a new token`,
  );
}

function wrongRoot(): IdentityError {
  return new IdentityError(
    'WRONG_ROOT',
    'enroll: the root key of the service is not the one in the token: somebody between you and the service swapped keys, or the token is for another service',
  );
}
