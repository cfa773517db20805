import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { publicKey } from '../../src/protocol/keys.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { addDirectory } from '../../src/cloud/setup/add-directory.ts';
import type { AgentRecord } from '../../src/cloud/store/records.ts';
import type { Store } from '../../src/cloud/store/store.ts';

/** What a simulated agent has to know of itself; it is idle, so nothing is ever sealed to it. */
export interface FleetMember {
  readonly id: string;
  readonly directory: string;
  readonly device: JWK;
  readonly deviceKid: string;
  readonly sealingKid: string;
  readonly sealingStatement: string;
  readonly epoch: string;
}

/** Enrols and approves so many agents, each with keys of its own, straight in a store that nobody serves yet. */
export async function enrollFleet(
  store: Store,
  count: number,
  perDirectory: number,
): Promise<readonly FleetMember[]> {
  const fleet: FleetMember[] = [];
  while (fleet.length < count) {
    const directory = `scale-${String(fleet.length / perDirectory + 1)}`;
    await addDirectory(store, directory, Date.now());
    const size = Math.min(perDirectory, count - fleet.length);
    const made = await Promise.all(Array.from({ length: size }, () => makeAgent(directory)));
    await store.atomically(async (inside) => {
      for (const { record } of made) await inside.agents.add(record);
    });
    fleet.push(...made.map(({ member }) => member));
  }
  return fleet;
}

async function makeAgent(
  directory: string,
): Promise<{ readonly member: FleetMember; readonly record: AgentRecord }> {
  const id = randomUUID();
  const pair = await generateKeyPair('ES256', { extractable: true });
  const sealing = await generateKeyPair('ECDH-ES+A256KW', { crv: 'P-256' });
  const deviceKey = await publicKey(await exportJWK(pair.publicKey), 'sig');
  const sealingKey = await publicKey(await exportJWK(sealing.publicKey), 'enc');
  const iat = Math.floor(Date.now() / 1000);
  const sealingStatement = await signToken(
    'sealing-key',
    { iss: deviceKey.kid, iat, key: sealingKey },
    { kid: deviceKey.kid, key: pair.privateKey },
  );
  const at = Date.now();
  return {
    member: {
      id,
      directory,
      device: await exportJWK(pair.privateKey),
      deviceKid: deviceKey.kid,
      sealingKid: sealingKey.kid,
      sealingStatement,
      epoch: randomUUID(),
    },
    record: {
      id,
      directory,
      name: `simulated-${id}`,
      version: '0.1.0',
      deviceKey,
      sealingKey,
      sealingStatement,
      sealingSince: iat * 1000,
      state: 'approved',
      enrolledAt: at,
      decidedAt: at,
      decidedBy: 'benchmark',
    },
  };
}
