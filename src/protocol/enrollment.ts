import { base64url } from 'jose';
import { z } from 'zod';
import { VerificationKey } from './keys.ts';
import { CompactJws, DirectoryId, Seconds, Sha256, ShortText, Uuid } from './shapes.ts';

const PREFIX = 'passback-enroll-1.';

/** What an enrolment token holds. The secret authenticates both sides and never travels. */
const EnrollmentToken = z.strictObject({
  id: Uuid,
  directory: DirectoryId,
  root: Sha256.meta({ description: "Thumbprint of the service's root key." }),
  secret: Sha256.meta({ description: '256 random bits in base64url.' }),
});

export type EnrollmentToken = z.infer<typeof EnrollmentToken>;

/** The one-line text that an admin carries to the agent's machine. */
export function formatEnrollmentToken(token: EnrollmentToken): string {
  return PREFIX + base64url.encode(JSON.stringify(token));
}

/** Reads a token's text; undefined when it is not one (cut short, say). Never quotes it. */
export function parseEnrollmentToken(text: string): EnrollmentToken | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) return undefined;
  try {
    const bytes = base64url.decode(trimmed.slice(PREFIX.length));
    const parsed = EnrollmentToken.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // the cause would quote the secret
  }
}

/**
 * Body of `POST /v1/enroll`. Nothing is agreed on before an enrolment: what is in it keeps its meaning
 * for ever, and what a newer side says on top of that is left out.
 */
export const EnrollRequest = z
  .object({ token: Uuid, request: CompactJws })
  .meta({ id: 'EnrollRequest' });

/** Its answer. */
export const EnrollResponse = z.object({ response: CompactJws }).meta({ id: 'EnrollResponse' });

/** The agent's half (typ `passback-enroll-request+jwt`, HS256 under the token's secret). */
export const EnrollRequestClaims = z.object({
  directory: DirectoryId,
  name: ShortText.min(1).max(64),
  version: z.string().max(64),
  deviceKey: VerificationKey,
  sealingKey: CompactJws,
  iat: Seconds,
});

/** The service's half (typ `passback-enroll-response+jwt`, HS256 under the same secret). */
export const EnrollResponseClaims = z.object({
  request: Sha256.meta({ description: 'SHA-256 of the request token this answers.' }),
  agent: Uuid,
  directory: DirectoryId,
  issuer: z
    .url()
    .meta({ description: "The service's public URL: audience and issuer of all tokens." }),
  root: VerificationKey,
  keySet: CompactJws,
  iat: Seconds,
});

export type EnrollRequestClaims = z.infer<typeof EnrollRequestClaims>;
export type EnrollResponseClaims = z.infer<typeof EnrollResponseClaims>;
