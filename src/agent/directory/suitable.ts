import { ConnectionError } from './connection-error.ts';
import type { ControllerProfile } from './root-dse.ts';

/** Throws a `ConnectionError` of stage `unsuitable` for a controller that takes no writes, or not yet. */
export function requireSuitable(name: string, { readOnly, synchronized }: ControllerProfile): void {
  if (readOnly) {
    throw new ConnectionError(
      'unsuitable',
      `${name} is a read-only domain controller: configure writable ones`,
    );
  }
  if (!synchronized) {
    throw new ConnectionError('unsuitable', `${name} has not finished its first replication`);
  }
}
