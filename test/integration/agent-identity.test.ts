import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importJWK } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { KEEP_REPLACED_MS, StoredSealingKeys } from '../../src/agent/identity/sealing-keys.ts';
import { lockStateFolder } from '../../src/agent/identity/state-lock.ts';
import { StoredTrust } from '../../src/agent/identity/trust.ts';
import { seal, open } from '../../src/protocol/sealing.ts';
import { signToken, verifyToken } from '../../src/protocol/tokens.ts';
import { winstonLogger } from '../../src/support/winston-logger.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { signingPair, signKeySet, type KeyPair } from '../support/service-keys.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ISSUER = 'https://reset.example.com';

async function folder(): Promise<string> {
  const temporary = await temporaryFolder();
  onTestFinished(() => temporary[Symbol.asyncDispose]());
  return temporary.path;
}

const binding = {
  directory: 'corp',
  cmd: randomUUID(),
  op: 'reset',
  account: { objectGuid: randomUUID() },
  options: { unlock: true, mustChange: false },
  baseline: {
    pwdLastSet: '1',
    lockoutTime: '0',
    controller: 'dc1',
    controllerTime: '2030-01-01T00:00:00.000Z',
  },
  notAfter: '2030-01-01T00:05:00.000Z',
} as const;

async function statedKey(
  keys: StoredSealingKeys,
  device: KeyPair,
): Promise<Parameters<typeof seal>[1]> {
  const key = await importJWK(device.public, 'ES256');
  const claims = await verifyToken('sealing-key', keys.statement, { key, now: Date.now() });
  expect(claims.iss).toBe(device.public.kid);
  return [claims.key];
}

test('what was sealed to a key opens while it is kept, and never after', async () => {
  const path = await folder();
  const device = await signingPair();
  const now = Date.now();
  const keys = await StoredSealingKeys.create(path, device.signing, now);
  const first = keys.currentKid;
  const recipients = await statedKey(keys, device);
  const sealed = await seal({ password: 'planted' }, recipients, binding);
  const { protected: header, iv, ciphertext, tag } = sealed;
  const [wrapping] = sealed.recipients;
  if (wrapping === undefined) throw new Error('no recipient');

  await keys.rotate(now + 1_000);
  expect(keys.currentKid).not.toBe(first);
  expect(keys.currentSince).toBe(now + 1_000);
  const old = keys.find(first, now + 2_000);
  if (old === undefined) throw new Error('the replaced key is gone');
  const secret = { protected: header, iv, ciphertext, tag, ...wrapping };
  await expect(open(secret, old, binding)).resolves.toEqual({ password: 'planted' });

  await keys.expire(now + 1_000 + KEEP_REPLACED_MS - 1);
  expect(keys.find(first, now + 1_000 + KEEP_REPLACED_MS - 1)).toBeDefined();
  expect(keys.find(first, now + 1_000 + KEEP_REPLACED_MS)).toBeUndefined();
  await keys.expire(now + 1_000 + KEEP_REPLACED_MS);
  expect(keys.find(first, now)).toBeUndefined();
  const reloaded = await StoredSealingKeys.load(path, device.signing);
  expect(reloaded.find(first, now)).toBeUndefined();
  expect(reloaded.currentKid).toBe(keys.currentKid);
  expect(reloaded.statement).toBe(keys.statement);
});

test('a key is replaced after a day, opens for two hours more, and is gone from memory and disk', async () => {
  const path = await folder();
  const device = await signingPair();
  const clock = new FakeClock();
  const keys = await StoredSealingKeys.create(path, device.signing, clock.now());
  const first = keys.currentKid;
  clock.advance(24 * 3_600_000 - 1);
  expect(await keys.keepFresh(clock.now())).toBe('kept');
  clock.advance(1);
  expect(await keys.keepFresh(clock.now())).toBe('rotated');
  clock.advance(KEEP_REPLACED_MS - 1);
  expect(keys.find(first, clock.now())).toBeDefined();
  clock.advance(1);
  expect(keys.find(first, clock.now())).toBeUndefined();
  expect(await keys.keepFresh(clock.now())).toBe('kept');
  const file = JSON.parse(await readFile(join(path, 'sealing-keys.json'), 'utf8')) as {
    keys: unknown[];
  };
  expect(file.keys).toHaveLength(1);
});

test('a clock that jumps to and fro costs keys, and neither keeps old ones long nor grows the file', async () => {
  const path = await folder();
  const device = await signingPair();
  const clock = new FakeClock();
  const keys = await StoredSealingKeys.create(path, device.signing, clock.now());
  const first = keys.currentKid;
  clock.setNow(clock.now() + 365 * 86_400_000);
  expect(await keys.keepFresh(clock.now())).toBe('rotated');
  clock.setNow(clock.now() - 365 * 86_400_000);
  expect(await keys.keepFresh(clock.now())).toBe('rotated');
  expect(keys.find(first, clock.now())).toBeUndefined();
  for (let n = 0; n < 20; n += 1) await keys.rotate(clock.now());
  const reloaded = await StoredSealingKeys.load(path, device.signing);
  expect(reloaded.currentKid).toBe(keys.currentKid);
  const file = JSON.parse(await readFile(join(path, 'sealing-keys.json'), 'utf8')) as {
    keys: unknown[];
  };
  expect(file.keys.length).toBeLessThan(10);
});

test('rotations at the same time follow each other, and all of them are on disk', async () => {
  const path = await folder();
  const device = await signingPair();
  const keys = await StoredSealingKeys.create(path, device.signing, 1_000);
  await Promise.all([keys.rotate(2_000), keys.rotate(3_000), keys.rotate(4_000)]);
  const reloaded = await StoredSealingKeys.load(path, device.signing);
  expect(reloaded.currentSince).toBe(4_000);
  const file = JSON.parse(await readFile(join(path, 'sealing-keys.json'), 'utf8')) as {
    keys: unknown[];
  };
  expect(file.keys).toHaveLength(4);
  expect(await readdir(path)).toEqual(['sealing-keys.json']);
  expect((await stat(join(path, 'sealing-keys.json'))).mode & 0o777).toBe(0o600);
});

interface TrustScene {
  readonly path: string;
  readonly clock: FakeClock;
  readonly root: KeyPair;
  readonly trust: StoredTrust;
  readonly options: Parameters<typeof StoredTrust.load>[0];
  readonly set: (number: number, keys: readonly KeyPair[], root?: KeyPair) => Promise<string>;
}

async function trustScene(first: KeyPair): Promise<TrustScene> {
  const path = await folder();
  const clock = new FakeClock();
  const root = await signingPair();
  const set = (number: number, keys: readonly KeyPair[], by = root): Promise<string> =>
    signKeySet({ root: by, keys, issuer: ISSUER, number, now: clock.now() });
  const options = { folder: path, root: root.public, issuer: ISSUER, clock };
  const trust = await StoredTrust.create(options, await set(3, [first]));
  return { path, clock, root, trust, options, set };
}

async function believes(trust: StoredTrust, clock: FakeClock, pair: KeyPair): Promise<boolean> {
  const token = await signToken(
    'writeback',
    {
      iss: ISSUER,
      aud: 'corp',
      iat: Math.floor(clock.now() / 1000),
      version: 1,
      enabled: true,
      reason: '',
      by: 'admin',
    },
    pair.signing,
  );
  return verifyToken('writeback', token, { key: trust.commandKeys, now: clock.now() }).then(
    () => true,
    () => false,
  );
}

test('a newer key set replaces the pinned one, durably; older and equal ones do not', async () => {
  const [first, second] = [await signingPair(), await signingPair()];
  const { trust, set, clock, options } = await trustScene(first);
  expect(await believes(trust, clock, first)).toBe(true);
  expect(await trust.offer(await set(3, [second]), clock.now())).toBe('same');
  expect(await trust.offer(await set(2, [second]), clock.now())).toBe('older');
  expect(await believes(trust, clock, second)).toBe(false);
  expect(await trust.offer(await set(4, [second]), clock.now())).toBe('newer');
  for (const current of [trust, await StoredTrust.load(options)]) {
    expect(current.number).toBe(4);
    expect(await believes(current, clock, first)).toBe(false);
    expect(await believes(current, clock, second)).toBe(true);
  }
});

test('a key set that the pinned root did not sign is refused and changes nothing', async () => {
  const [first, foreign] = [await signingPair(), await signingPair()];
  const { trust, set, clock } = await trustScene(first);
  const forged = await set(9, [foreign], foreign);
  await expect(trust.offer(forged, clock.now())).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
  await expect(trust.offer('garbage', clock.now())).rejects.toMatchObject({ name: 'TokenError' });
  expect(trust.number).toBe(3);
  expect(await believes(trust, clock, foreign)).toBe(false);
});

test('an expired key set still loads, and trusts nobody', async () => {
  const first = await signingPair();
  const { trust, clock, options } = await trustScene(first);
  clock.advance(86_400_000 + 31_000);
  expect(await believes(trust, clock, first)).toBe(false);
  const reloaded = await StoredTrust.load(options);
  expect(reloaded.number).toBe(3);
  expect(await believes(reloaded, clock, first)).toBe(false);
});

test('a key set that was changed on disk is not believed', async () => {
  const [first, foreign] = [await signingPair(), await signingPair()];
  const { path, set, options } = await trustScene(first);
  const forged = await set(9, [foreign], foreign);
  await writeFile(join(path, 'key-set.json'), JSON.stringify({ keySet: forged }));
  await expect(StoredTrust.load(options)).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
});

test('a state folder has one owner at a time, and the next one after it', async () => {
  const path = await folder();
  const lock = await lockStateFolder(path);
  await expect(lockStateFolder(path)).rejects.toMatchObject({
    code: 'STATE_LOCKED',
    message: expect.stringContaining(String(process.pid)) as string,
  });
  await lock[Symbol.asyncDispose]();
  expect(await readdir(path)).toEqual([]);
  await using _next = await lockStateFolder(path);
});

test('of many that start together at most one gets the folder', async () => {
  const path = await folder();
  const attempts = await Promise.allSettled(
    Array.from({ length: 20 }, () => lockStateFolder(path)),
  );
  expect(attempts.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
  await mkdir(join(path, 'unrelated'));
});

test('the lock of a process that has died is taken over', async () => {
  const path = await folder();
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  const stale = [
    `lock.${child.pid ?? 0}.12345.${randomUUID()}`, // no such process any more
    `lock.${process.pid}.1.${randomUUID()}`, // the number was given to another process since
  ];
  for (const name of stale) await writeFile(join(path, name), '');
  await using _lock = await lockStateFolder(path);
  const left = await readdir(path);
  expect(left).toHaveLength(1);
  expect(stale).not.toContain(left[0]);
});

test('a log file is appended to, readable by owner and group only', async () => {
  const file = join(await folder(), 'passback.log');
  for (const session of ['one', 'two']) {
    const log = winstonLogger({ level: 'info', file });
    log.info('link.up', { session });
    await log.close();
  }
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { session: string }).session)).toEqual([
    'one',
    'two',
  ]);
  expect((await stat(file)).mode & 0o007).toBe(0);
});
