import type { Clock } from '../../support/clock.ts';
import { toReading } from './account-reading.ts';
import type { Controller } from './controller.ts';
import type { AccountAddress, AccountReading } from './directory.ts';
import { findAccount, readAccount, type Asking } from './queries.ts';
import { requireSuitable } from './suitable.ts';

/** Reads one account, and what belongs to it, on a controller that could also write it. */
export async function readOn(
  { name, facts }: Controller,
  asking: Asking,
  { address, clock }: { readonly address: AccountAddress; readonly clock: Clock },
): Promise<AccountReading> {
  const profile = await facts.profile(asking);
  requireSuitable(name, profile);
  const objectGuid =
    'objectGuid' in address
      ? address.objectGuid
      : await findAccount(asking, address.name, {
          dn: profile.domainDn,
          names: () => facts.domainNames(asking, profile),
        });
  // One question at a time: behind Nagle's algorithm the answer to a second one waits for an ACK.
  const invocationId = await facts.invocationId(asking, profile);
  const domain = await facts.domain(asking, profile);
  const currentTime = await facts.currentTime(asking);
  const entry = await readAccount(asking, objectGuid);
  const readAtMs = clock.now();
  const controllerTimeMs = currentTime();
  const settingsDn = entry.text('msDS-ResultantPSO');
  const policy =
    settingsDn === undefined ? domain.policy : await facts.fineGrainedPolicy(asking, settingsDn);
  const { ownSids } = profile;
  const known = { controllerTimeMs, readAtMs, invocationId, ownSids, policy };
  return toReading(entry, { controller: name, ...known });
}
