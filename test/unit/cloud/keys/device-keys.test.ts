import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { DeviceKeys } from '../../../../src/cloud/keys/device-keys.ts';
import type { PublicKey } from '../../../../src/protocol/keys.ts';

function deviceKey(): PublicKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return { kty: 'EC', crv: 'P-256', x, y } as PublicKey;
}

test('the keys of the 512 agents that were there last are kept, and no others', async () => {
  const keys = new DeviceKeys();
  const [oldest, used] = [deviceKey(), deviceKey()];
  const before = { oldest: await keys.get(oldest), used: await keys.get(used) };
  for (let n = 0; n < 510; n += 1) await keys.get(deviceKey());
  expect(await keys.get(oldest)).toBe(before.oldest);
  expect(await keys.get(used)).toBe(before.used);
  await keys.get(oldest);
  for (let n = 0; n < 511; n += 1) await keys.get(deviceKey());
  expect(await keys.get(oldest)).toBe(before.oldest);
  expect(await keys.get(used)).not.toBe(before.used);
});

test('two keys that differ in one half only are two keys', async () => {
  const keys = new DeviceKeys();
  const one = deviceKey();
  const kept = await keys.get(one);
  // The other point of that x: no signature of the one may pass for one of the other.
  const p = (1n << 256n) - (1n << 224n) + (1n << 192n) + (1n << 96n) - 1n;
  const y = p - BigInt(`0x${Buffer.from(one.y, 'base64url').toString('hex')}`);
  const mirrored = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').toString('base64url');
  expect(await keys.get({ ...one, y: mirrored })).not.toBe(kept);
});
