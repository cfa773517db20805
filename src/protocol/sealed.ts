import { z } from 'zod';
import { Base64Url, Sha256 } from './shapes.ts';

const EphemeralKey = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: Base64Url.length(43),
  y: Base64Url.length(43),
});

/** The integrity-protected header, decoded: these members and no others, `zip` and `crit` least of all. */
export const ProtectedHeader = z.strictObject({
  enc: z.literal('A256GCM'),
  /** RFC 7516 section 7.2.1: with a single recipient the ephemeral key stands here. */
  epk: EphemeralKey.optional(),
});

const RecipientHeader = z.strictObject({
  alg: z.literal('ECDH-ES+A256KW'),
  kid: Sha256,
  /** With a single recipient it stands in `protected` instead. */
  epk: EphemeralKey.optional(),
});

const content = {
  protected: Base64Url.max(512),
  iv: Base64Url.length(16),
  ciphertext: Base64Url.max(8192),
  tag: Base64Url.length(22),
};

const wrapping = { header: RecipientHeader, encrypted_key: Base64Url.length(54) };

/** At most this many agents serve one directory, so a sealed secret has at most as many wrappings. */
export const MAX_RECIPIENTS = 16;

/** The password as the caller seals it: RFC 7516 general JSON, the content key wrapped once per agent. */
export const SealedSecret = z
  .strictObject({
    ...content,
    aad: Base64Url.max(4096),
    recipients: z.array(z.strictObject(wrapping)).min(1).max(MAX_RECIPIENTS),
  })
  .meta({ id: 'SealedSecret', description: 'JWE in general JSON serialisation; see sealing.' });

export type SealedSecret = z.infer<typeof SealedSecret>;

/** The same secret as it travels to one agent: that agent's wrapping only, and no `aad`, which the agent computes itself. */
export const DispatchedSecret = z
  .strictObject({ ...content, ...wrapping })
  .meta({ id: 'DispatchedSecret' });

export type DispatchedSecret = z.infer<typeof DispatchedSecret>;

/** Picks the wrapping for one agent's key; undefined when the secret was not sealed to it. */
export function secretFor(sealed: SealedSecret, kid: string): DispatchedSecret | undefined {
  const recipient = sealed.recipients.find(({ header }) => header.kid === kid);
  if (recipient === undefined) return undefined;
  const { protected: header, iv, ciphertext, tag } = sealed;
  return { protected: header, iv, ciphertext, tag, ...recipient };
}
