import { timestamp } from '../protocol/shapes.ts';
import type { Core } from './compose-core.ts';
import type { HealthOptions } from './health/health.ts';
import type { Parts } from './parts.ts';

/** What the status is derived from, as it is now, but for what the directory says. */
export function statusFacts(
  { config, identity, journal, admission, standing, clock }: Parts,
  { commander, toggle }: Pick<Core, 'commander' | 'toggle'>,
): Omit<ReturnType<HealthOptions['facts']>, 'version' | 'startedAt'> {
  const { sealing, trust, device } = identity;
  return {
    at: clock.now(),
    journal: { epoch: journal.epoch, seq: journal.seq, open: journal.open },
    journalProblem: journal.problem?.message,
    toggle: toggle.state,
    pause: admission.pause,
    breaker: admission.breaker,
    dryRun: config.guard.dryRun,
    standing: standing.reasons,
    keys: {
      device: device.kid,
      sealing: sealing.currentKid,
      sealingSince: timestamp(sealing.currentSince),
      keySet: trust.number,
    },
    counters: commander.counters,
  };
}
