import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StoredSealingKeys } from '../../src/agent/identity/sealing-keys.ts';
import { StoredTrust } from '../../src/agent/identity/trust.ts';
import { sweepStateFolder } from '../../src/agent/sweep-state-folder.ts';
import { createKeys, rotateKeys } from '../../src/cloud/keys/create-keys.ts';
import { KeyFolder } from '../../src/cloud/keys/key-folder.ts';
import { loadServiceKeys } from '../../src/cloud/keys/service-keys.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { signingPair, signKeySet } from '../support/service-keys.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ISSUER = 'https://reset.example';
const NOW = Date.UTC(2030, 0, 1);

/** How much of the new file was written when the process was killed, before it got its name. */
const WRITTEN = [0, 0.5, 1];

async function leaveUnfinished(path: string, content: string, part: number): Promise<void> {
  const left = `${path}.${randomUUID()}.tmp`;
  await writeFile(left, content.slice(0, Math.floor(content.length * part)));
}

describe.each(WRITTEN)('killed with %d of the new file written,', (part) => {
  test('an agent has the sealing keys of before, and rotates them again', async () => {
    await using folder = await temporaryFolder();
    const device = await signingPair();
    const path = join(folder.path, 'sealing-keys.json');
    const keys = await StoredSealingKeys.create(folder.path, device.signing, NOW);
    const before = await readFile(path, 'utf8');
    const first = keys.currentKid;
    await keys.rotate(NOW + 1_000);
    const unfinished = await readFile(path, 'utf8');
    await writeFile(path, before);
    await leaveUnfinished(path, unfinished, part);

    await sweepStateFolder(folder.path, NOW);
    expect(await readdir(folder.path)).toEqual(['sealing-keys.json']);
    const after = await StoredSealingKeys.load(folder.path, device.signing);
    expect(after.currentKid).toBe(first);
    expect(after.find(keys.currentKid, NOW)).toBeUndefined(); // nobody was told of it
    await after.rotate(NOW + 2_000);
    expect(after.find(first, NOW + 2_000)).toBeDefined();
  });

  test('an agent believes the key set of before, and takes the new one when it is told again', async () => {
    await using folder = await temporaryFolder();
    const [root, signer] = [await signingPair(), await signingPair()];
    const clock = new FakeClock(NOW);
    const keySet = (number: number): Promise<string> =>
      signKeySet({ root, keys: [signer], issuer: ISSUER, number, now: NOW });
    const options = { folder: folder.path, root: root.public, issuer: ISSUER, clock };
    await StoredTrust.create(options, await keySet(3));
    const newer = await keySet(4);
    const content = JSON.stringify({ keySet: newer });
    await leaveUnfinished(join(folder.path, 'key-set.json'), content, part);

    await sweepStateFolder(folder.path, NOW);
    expect(await readdir(folder.path)).toEqual(['key-set.json']);
    const trust = await StoredTrust.load(options);
    expect(trust.number).toBe(3);
    expect(await trust.offer(newer, clock.now())).toBe('newer');
    expect((await StoredTrust.load(options)).number).toBe(4);
  });
});

test('killed before the service is told, an agent has both keys and states the new one', async () => {
  await using folder = await temporaryFolder();
  const device = await signingPair();
  const keys = await StoredSealingKeys.create(folder.path, device.signing, NOW);
  const first = keys.currentKid;
  await keys.rotate(NOW + 1_000);
  const after = await StoredSealingKeys.load(folder.path, device.signing);
  expect(after.currentKid).toBe(keys.currentKid);
  expect(after.statement).toBe(keys.statement); // what the next hello says
  expect(after.find(first, NOW + 2_000)).toBeDefined(); // what the service still hands out
});

/** Dies before its n-th change, having left half of what it was about to write. */
class DyingFolder extends KeyFolder {
  #left: number;

  constructor(path: string, steps: number) {
    super(path);
    this.#left = steps;
  }

  override async createPair(purpose: 'root' | 'signing') {
    await this.#step(`signing-${'k'.repeat(43)}.json`);
    return super.createPair(purpose);
  }

  override async writeKeySet(keySet: string) {
    await this.#step('key-set.json');
    return super.writeKeySet(keySet);
  }

  override async deleteSigningBut(kids: readonly string[]) {
    await this.#step('key-set.json');
    return super.deleteSigningBut(kids);
  }

  async #step(name: string): Promise<void> {
    this.#left -= 1;
    if (this.#left >= 0) return;
    await leaveUnfinished(join(this.path, name), '{"half":true}', 0.5);
    throw new Error('killed');
  }
}

test('a service whose rotation was killed at any step has a key set that it can sign under, and rotates again', async () => {
  for (let steps = 0, died = true; died; steps += 1) {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'keys');
    await createKeys(path, ISSUER, NOW);
    await rotateKeys(new KeyFolder(path), { issuer: ISSUER, now: NOW });
    const before = await loadServiceKeys(new KeyFolder(path), ISSUER, NOW);
    died = await rotateKeys(new DyingFolder(path, steps), { issuer: ISSUER, now: NOW }).then(
      () => false,
      () => true,
    );

    const keys = new KeyFolder(path);
    const after = await loadServiceKeys(keys, ISSUER, NOW);
    expect([before.keySet.number, before.keySet.number + 1]).toContain(after.keySet.number);
    const { number } = await rotateKeys(keys, { issuer: ISSUER, now: NOW });
    expect(number).toBe(after.keySet.number + 1);
    const names = await readdir(path);
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(names.filter((name) => name.startsWith('signing-'))).toHaveLength(2);
    await loadServiceKeys(keys, ISSUER, NOW);
    expect(steps).toBeLessThan(10);
  }
});
