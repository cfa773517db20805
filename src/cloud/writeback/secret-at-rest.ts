import type { SealedSecret } from '../../protocol/sealed.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Core } from './core.ts';

/** The sealed secret of an operation as it is stored: it cannot be moved to another row. */
export function wrapSecret({ keys }: Core, id: string, secret: SealedSecret): Promise<string> {
  return keys.storage.wrap(JSON.stringify(secret), purposeOf(id));
}

/**
 * The sealed secret of a stored operation; undefined when it has none. Rejects with
 * `StorageCipherError` when the storage key is another one.
 */
export async function unwrapSecret(
  { keys }: Core,
  { id, secret }: OperationRecord,
): Promise<SealedSecret | undefined> {
  if (secret === undefined) return undefined;
  const text = await keys.storage.unwrap(secret, purposeOf(id));
  return JSON.parse(text) as SealedSecret; // `submit` validated what `wrapSecret` was given
}

function purposeOf(id: string): string {
  return `operation:${id}`;
}
