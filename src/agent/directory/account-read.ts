import type { Clock } from '../../support/clock.ts';
import { toReading } from './account-reading.ts';
import type { ControllerClocks } from './controller-clocks.ts';
import type { Controller } from './controller.ts';
import type { AccountAddress, AccountReading } from './directory.ts';
import { findAccount, readAccount, type Asking } from './queries.ts';
import { requireSuitable } from './suitable.ts';

export interface ReadContext {
  readonly address: AccountAddress;
  readonly clocks: ControllerClocks;
  readonly clock: Clock;
}

/** Reads one account, and what belongs to it, on a controller that could also write it. */
export async function readOn(
  { name, facts }: Controller,
  asking: Asking,
  { address, clocks, clock }: ReadContext,
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
  const domain = await facts.domain(asking, profile);
  const { invocationId, currentTime } = await facts.identify(asking, profile, clocks);
  const entry = await readAccount(asking, objectGuid);
  const settingsDn = entry.text('msDS-ResultantPSO');
  const policy =
    settingsDn === undefined ? domain.policy : await facts.fineGrainedPolicy(asking, settingsDn);
  const { ownSids } = profile;
  const policyHints = profile.policyHints !== undefined;
  // All clocks are of one moment: from here on nothing is waited for.
  const readAtMs = clock.now();
  const { ms: controllerTimeMs, unsureMs: controllerTimeUnsureMs } = currentTime();
  const times = { controllerTimeMs, controllerTimeUnsureMs, readAtMs };
  const known = { controller: name, ...times, invocationId, ownSids, policyHints, policy };
  const reading = toReading(entry, known);
  const writer = reading.unicodePwd?.invocationId;
  const writerTime = writer === undefined ? undefined : clocks.of(writer);
  return writerTime === undefined ? reading : { ...reading, writerTime };
}
