import { generateKeyPair, exportJWK } from 'jose';
import { expect, test } from 'vitest';
import { Peers } from '../../src/agent/identity/peers.ts';
import { publicKey, type PublicKey } from '../../src/protocol/keys.ts';
import type { PeerStatement } from '../../src/protocol/messages.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { signingPair, type KeyPair } from '../support/service-keys.ts';

const NOW = Date.UTC(2030, 0, 1);

async function sealingKey(): Promise<PublicKey> {
  const { publicKey: half } = await generateKeyPair('ECDH-ES+A256KW', { crv: 'P-256' });
  return publicKey(await exportJWK(half), 'enc');
}

async function statement(
  device: KeyPair,
  key: PublicKey,
  by: KeyPair = device,
): Promise<PeerStatement> {
  const claims = { iss: device.public.kid, iat: NOW / 1000, key };
  return {
    deviceKey: device.public,
    sealingKey: await signToken('sealing-key', claims, by.signing),
  };
}

function peersOf(fingerprints: readonly string[]): { peers: Peers; log: MemoryLog } {
  const log = new MemoryLog();
  return {
    peers: new Peers({ fingerprints, isOwn: (kid) => kid === 'own', now: () => NOW, log }),
    log,
  };
}

test('without configured peers nobody is a stranger', async () => {
  expect(await peersOf([]).peers.stranger(['anybody'])).toBeUndefined();
});

test('a key counts under the signature of a configured peer, and nobody else has one', async () => {
  const [peer, other] = [await signingPair(), await signingPair()];
  const { peers, log } = peersOf([peer.public.kid]);
  const [good, foreign] = [await sealingKey(), await sealingKey()];
  // Not waited for: what was offered before a command counts for it.
  void peers.offer([await statement(peer, good), await statement(other, foreign)]);
  expect(await peers.stranger(['own', good.kid])).toBeUndefined();
  expect(await peers.stranger(['own', good.kid, foreign.kid])).toBe(foreign.kid);
  expect(log.of('keys.unknown_recipient')).toHaveLength(1);
  expect(log.of('keys.unknown_recipient')[0]?.level).toBe('error');
});

test('a statement that the peer did not sign, or a key under a false name, is refused aloud', async () => {
  const [peer, liar] = [await signingPair(), await signingPair()];
  const { peers, log } = peersOf([peer.public.kid]);
  const key = await sealingKey();
  const misnamed = { ...liar.public, kid: peer.public.kid };
  await peers.offer([
    await statement(peer, key, liar),
    { ...(await statement(liar, key)), deviceKey: misnamed },
    await statement(peer, { ...key, kid: (await sealingKey()).kid }),
  ]);
  expect(await peers.stranger([key.kid])).toBe(key.kid);
  expect(log.of('keys.peer_refused')).toHaveLength(3);
});

test('a key that a peer has replaced stays known for what is under way, a few at most', async () => {
  const peer = await signingPair();
  const { peers } = peersOf([peer.public.kid]);
  const keys = await Promise.all(Array.from({ length: 5 }, sealingKey));
  for (const key of keys) await peers.offer([await statement(peer, key)]);
  const [first, second] = keys.map(({ kid }) => kid);
  expect(await peers.stranger([second ?? ''])).toBeUndefined();
  expect(await peers.stranger([first ?? ''])).toBe(first);
});
