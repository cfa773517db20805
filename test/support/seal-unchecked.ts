import { FlattenedEncrypt, importJWK } from 'jose';
import { bindingText } from '../../src/protocol/canonical.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import { DispatchedSecret } from '../../src/protocol/sealed.ts';

/** Seals anything for a command, as a sealer that checks nothing would. */
export async function sealUnchecked(
  content: unknown,
  claims: CommandClaims,
  recipient: PublicKey,
): Promise<DispatchedSecret> {
  if (claims.op === 'unlock') throw new TypeError('an unlock has no secret');
  const { aud, cmd, op, account, unlock, mustChange, baseline, notAfter } = claims;
  const options = { unlock, mustChange };
  const aad = bindingText({ directory: aud, cmd, op, account, options, baseline, notAfter });
  const text = new TextEncoder().encode(JSON.stringify(content));
  const padded = new Uint8Array(Math.ceil((text.length + 2) / 256) * 256);
  new DataView(padded.buffer).setUint16(0, text.length);
  padded.set(text, 2);
  const { kty, crv, x, y, kid } = recipient;
  const jwe = await new FlattenedEncrypt(padded)
    .setProtectedHeader({ enc: 'A256GCM' })
    .setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid })
    .setAdditionalAuthenticatedData(new TextEncoder().encode(aad))
    .encrypt(await importJWK({ kty, crv, x, y }, 'ECDH-ES+A256KW'));
  const { aad: _aad, ...rest } = jwe;
  return DispatchedSecret.parse(rest);
}
