import { randomUUID } from 'node:crypto';
import { base64url } from 'jose';
import { sha256 } from '../../protocol/digest.ts';
import { Secret } from '../../support/secret.ts';
import type { Scope } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { SetupError } from './setup-error.ts';

export interface KeyWish {
  readonly directory: string;
  readonly scopes: readonly Scope[];
  readonly actor: string;
}

/** Makes an API key. Only its hash is kept, so this is the one time that it can be read. */
export async function createApiKey(
  store: Store,
  { directory, scopes, actor }: KeyWish,
  now: number,
): Promise<{ readonly id: string; readonly key: Secret }> {
  const key = `pbk_${base64url.encode(crypto.getRandomValues(new Uint8Array(32)))}`;
  const hash = sha256(key);
  const id = randomUUID();
  await store.atomically(async (inside) => {
    if ((await inside.directories.find(directory)) === undefined) {
      throw new SetupError(
        'UNKNOWN_DIRECTORY',
        `key add: there is no directory ${directory}; run \`passback-cloud directory add ${directory}\` first`,
      );
    }
    await inside.apiKeys.add({ id, directory, scopes, actor, createdAt: now }, hash);
    await inside.audit.append({
      at: now,
      directory,
      actor: 'passback-cloud',
      action: 'key.created',
      target: id,
      detail: { actor, scopes: scopes.join(' ') },
    });
  });
  return { id, key: new Secret(key) };
}

/** Ends an API key for good: the next request with it is refused. */
export async function revokeApiKey(store: Store, id: string, now: number): Promise<void> {
  await store.atomically(async (inside) => {
    const key = await inside.apiKeys.remove(id);
    if (key === undefined) {
      throw new SetupError('UNKNOWN_KEY', 'key revoke: there is no such key; see `key list`');
    }
    await inside.audit.append({
      at: now,
      directory: key.directory,
      actor: 'passback-cloud',
      action: 'key.revoked',
      target: id,
      detail: { actor: key.actor },
    });
  });
}
