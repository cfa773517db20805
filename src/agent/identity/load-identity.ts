import { importJWK } from 'jose';
import { thumbprint } from '../../protocol/keys.ts';
import type { Clock } from '../../support/clock.ts';
import { privateFolder } from '../../support/files.ts';
import type { Identity } from './identity.ts';
import { IdentityError } from './identity-error.ts';
import { StoredSealingKeys } from './sealing-keys.ts';
import { readState, type PrivateKey } from './state-files.ts';
import { StoredTrust } from './trust.ts';

/** An identity whose sealing keys can be rotated by whoever owns the calendar. */
export interface StoredIdentity extends Identity {
  readonly sealing: StoredSealingKeys;
}

/** Reads what enrolment has left. Rejects with `IdentityError` or `FolderError`, whose message names the cure. */
export async function loadIdentity(stateFolder: string, clock: Clock): Promise<StoredIdentity> {
  await privateFolder(stateFolder);
  return readIdentity(stateFolder, clock);
}

/** The same of a folder whose account and mode somebody else looks at, for root to look into. */
export async function readIdentity(stateFolder: string, clock: Clock): Promise<StoredIdentity> {
  const identity = await readState(stateFolder, 'identity');
  if (identity === undefined) {
    throw new IdentityError(
      'NOT_ENROLLED',
      `there is no identity in ${stateFolder}: make a token in the reset service, then run passback enroll`,
    );
  }
  const stored = await readState(stateFolder, 'device');
  if (stored === undefined) {
    throw new IdentityError(
      'STATE_DAMAGED',
      `the device key is missing in ${stateFolder}: empty it and enrol again with a new token`,
    );
  }
  const device = await importDevice(stored);
  const { agent, directory, issuer, root } = identity;
  return {
    agentId: agent,
    directory,
    issuer,
    device,
    trust: await StoredTrust.load({ folder: stateFolder, root, issuer, clock }),
    sealing: await StoredSealingKeys.load(stateFolder, device),
  };
}

/** The device key as it signs: never to be exported again. */
export async function importDevice(stored: PrivateKey): Promise<Identity['device']> {
  const key = await importJWK(stored, 'ES256', { extractable: false });
  return { kid: await thumbprint(stored), key };
}
