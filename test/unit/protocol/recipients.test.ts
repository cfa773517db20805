import { exportJWK, generateKeyPair } from 'jose';
import { describe, expect, test } from 'vitest';
import { publicKey, thumbprint, type PublicKey } from '../../../src/protocol/keys.ts';
import { vouchedKeys, type Recipient } from '../../../src/protocol/recipients.ts';
import { signToken, type SigningKey } from '../../../src/protocol/tokens.ts';

interface Agent {
  readonly device: SigningKey;
  readonly recipient: Recipient;
}

async function makeKey(use: 'sig' | 'enc'): Promise<{ half: PublicKey; signing: SigningKey }> {
  const alg = use === 'sig' ? 'ES256' : 'ECDH-ES+A256KW';
  const pair = await generateKeyPair(alg, { crv: 'P-256' });
  const half = await publicKey(await exportJWK(pair.publicKey), use);
  return { half, signing: { kid: half.kid, key: pair.privateKey } };
}

async function makeAgent(): Promise<Agent> {
  const device = await makeKey('sig');
  const key = (await makeKey('enc')).half;
  const claims = { iss: device.half.kid, iat: 1_900_000_000, key };
  const statement = await signToken('sealing-key', claims, device.signing);
  const recipient = { fingerprint: device.half.kid, deviceKey: device.half, key, statement };
  return { device: device.signing, recipient };
}

test('the keys of agents whose fingerprints are known are what to seal to', async () => {
  const [a, b] = [(await makeAgent()).recipient, (await makeAgent()).recipient];
  const known = [b.fingerprint, a.fingerprint];
  expect(await vouchedKeys([a, b], known)).toEqual([a.key, b.key]);
  expect(await vouchedKeys([a, b])).toEqual([a.key, b.key]);
});

test('one more recipient than the caller knows of is refused by its fingerprint', async () => {
  const [own, added] = [(await makeAgent()).recipient, (await makeAgent()).recipient];
  await expect(vouchedKeys([own, added], [own.fingerprint])).rejects.toMatchObject({
    code: 'BAD_RECIPIENT',
    message: expect.stringContaining(added.fingerprint) as unknown,
  });
  await expect(vouchedKeys([own], [])).rejects.toMatchObject({ code: 'BAD_RECIPIENT' });
});

describe('a key that the agent does not vouch for is refused, fingerprints known or not:', () => {
  type Forgery = (own: Recipient, thief: Agent) => Recipient | Promise<Recipient>;
  const forgeries: [string, Forgery][] = [
    ['another key', (own, { recipient }) => ({ ...own, key: recipient.key })],
    [
      "another key under the agent's key's name",
      (own, { recipient }) => ({ ...own, key: { ...recipient.key, kid: own.key.kid } }),
    ],
    [
      'a key with the word of another agent',
      (own, { recipient: { key, statement } }) => ({ ...own, key, statement }),
    ],
    [
      'a key with the word of another agent under the fingerprint of the first',
      (own, { recipient }) => ({ ...recipient, fingerprint: own.fingerprint }),
    ],
    [
      'a word that another agent gave in the name of the first',
      async (own, { device, recipient: { key } }) => ({
        ...own,
        key,
        statement: await signToken('sealing-key', { iss: own.fingerprint, iat: 1, key }, device),
      }),
    ],
    [
      'a device key that is no point of the curve',
      async (own) => {
        const off = { ...own.deviceKey, x: 'A'.repeat(43), y: 'A'.repeat(43) };
        return { ...own, deviceKey: off, fingerprint: await thumbprint(off) };
      },
    ],
    ['no word at all', (own) => ({ ...own, statement: 'a.b.c' })],
  ];

  test.each(forgeries)('%s', async (_what, forge) => {
    const own = (await makeAgent()).recipient;
    const forged = await forge(own, await makeAgent());
    const refused = { code: 'BAD_RECIPIENT' };
    await expect(vouchedKeys([forged], [own.fingerprint])).rejects.toMatchObject(refused);
    await expect(vouchedKeys([forged])).rejects.toMatchObject(refused);
  });
});
