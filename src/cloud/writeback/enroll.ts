import { randomUUID } from 'node:crypto';
import { base64url } from 'jose';
import { sha256 } from '../../protocol/digest.ts';
import { formatEnrollmentToken, type EnrollRequestClaims } from '../../protocol/enrollment.ts';
import { isTrulyNamed } from '../../protocol/keys.ts';
import { signToken, TokenError, verifyToken } from '../../protocol/tokens.ts';
import type { AgentRecord, EnrollmentRecord } from '../store/records.ts';
import type { Caller } from './caller.ts';
import { nowSeconds, type Core } from './core.ts';
import { verifySealingKey } from './sealing-key.ts';
import { ServiceError } from './service-error.ts';

const TOKEN_LIFETIME_MS = 60 * 60_000;
const MAX_FAILURES = 5;

export interface NewToken {
  /** The one-line text for the agent's machine: shown once, not kept in clear. */
  readonly token: string;
  readonly id: string;
  readonly expiresAt: number;
}

/** Makes a one-time enrolment token. */
export async function createEnrollmentToken(core: Core, caller: Caller): Promise<NewToken> {
  const id = randomUUID();
  const secret = base64url.encode(crypto.getRandomValues(new Uint8Array(32)));
  const now = core.clock.now();
  const expiresAt = now + TOKEN_LIFETIME_MS;
  const { directory, actor } = caller;
  const wrapped = await core.keys.storage.wrap(secret, secretPurpose(id));
  await core.store.atomically(async (store) => {
    await store.enrollments.add({
      id,
      directory,
      secret: wrapped,
      createdBy: actor,
      expiresAt,
      failures: 0,
    });
    await store.audit.append({ at: now, directory, actor, action: 'token.created', target: id });
  });
  const token = formatEnrollmentToken({ id, directory, root: core.keys.root.kid, secret });
  return { token, id, expiresAt };
}

/**
 * Takes an agent in as pending, and answers under the token's secret. Rejects with one and the
 * same `ENROLLMENT_REFUSED` whatever is wrong.
 */
export async function enroll(
  core: Core,
  { token, request }: { readonly token: string; readonly request: string },
): Promise<string> {
  const enrollment = await core.store.enrollments.find(token);
  if (enrollment?.secret === undefined || core.clock.now() >= enrollment.expiresAt) {
    throw refused(core, 'unknown, used or expired');
  }
  const secret = await core.keys.storage.unwrap(enrollment.secret, secretPurpose(token));
  const mac = { kid: token, key: base64url.decode(secret) };
  const agent = await readRequest(core, enrollment, { request, key: mac.key });
  await register(core, enrollment, agent);
  return signToken(
    'enroll-response',
    {
      request: sha256(request),
      agent: agent.id,
      directory: enrollment.directory,
      issuer: core.issuer,
      root: core.keys.root,
      keySet: core.keys.keySet.token,
      iat: nowSeconds(core.clock),
    },
    mac,
  );
}

async function readRequest(
  core: Core,
  enrollment: EnrollmentRecord,
  { request, key }: { readonly request: string; readonly key: Uint8Array },
): Promise<AgentRecord> {
  const now = core.clock.now();
  try {
    const claims = await verifyToken('enroll-request', request, { key, now });
    return await toAgent(claims, enrollment, now);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    // A wrong MAC does not use the token up: whoever knows its id alone could do that to an admin.
    if ((await core.store.enrollments.fail(enrollment.id)) >= MAX_FAILURES) {
      await core.store.enrollments.use(enrollment.id);
    }
    throw refused(core, error.code);
  }
}

async function toAgent(
  claims: EnrollRequestClaims,
  { directory }: EnrollmentRecord,
  now: number,
): Promise<AgentRecord> {
  const { deviceKey, sealingKey, name, version } = claims;
  if (claims.directory !== directory || !(await isTrulyNamed(deviceKey))) {
    throw new TokenError('MALFORMED', 'enroll-request token: another directory or a misnamed key');
  }
  return {
    id: randomUUID(),
    directory,
    name,
    version,
    deviceKey,
    ...(await verifySealingKey({ deviceKey }, sealingKey, now)),
    state: 'pending',
    enrolledAt: now,
  };
}

async function register(
  core: Core,
  enrollment: EnrollmentRecord,
  agent: AgentRecord,
): Promise<void> {
  await core.store.atomically(async (store) => {
    if (!(await store.enrollments.use(enrollment.id))) throw refused(core, 'used');
    if (!(await store.agents.add(agent))) throw refused(core, 'device key known');
    await store.audit.append({
      at: agent.enrolledAt,
      directory: agent.directory,
      actor: enrollment.createdBy,
      action: 'agent.enrolled',
      target: agent.id,
      detail: { name: agent.name, fingerprint: agent.deviceKey.kid },
    });
  });
  const { id, directory, deviceKey } = agent;
  core.log.info('cloud.agent_enrolled', { agent: id, directory, fingerprint: deviceKey.kid });
}

function refused({ log }: Core, reason: string): ServiceError {
  log.warn('cloud.enrollment_refused', { reason });
  return new ServiceError('ENROLLMENT_REFUSED', {
    detail: 'this token is unknown, was used, or has expired',
  });
}

function secretPurpose(tokenId: string): string {
  return `enrollment:${tokenId}`;
}
