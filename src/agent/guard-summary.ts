import type { GuardSummary } from '../protocol/status.ts';
import type { Admission } from './commands/guard/admission.ts';
import type { AgentConfig } from './config/agent-config.ts';

/** As many base DNs as the protocol has room for, and as much of each. */
const MAX_BASE_DNS = 64;
const MAX_DN_LENGTH = 1024;

/** What the guard allows and how its breaker stands, as the service and this machine are shown it. */
export function guardSummary(
  { guard, peers }: Pick<AgentConfig, 'guard' | 'peers'>,
  { breaker }: Admission,
): GuardSummary {
  const { operations, baseDns, deniedBaseDns, limits } = guard;
  const { allowedGroups, protectedGroups, protectedAccounts } = guard;
  return {
    self: [...operations.self],
    admin: [...operations.admin],
    baseDns: baseDns.slice(0, MAX_BASE_DNS).map((dn) => dn.slice(0, MAX_DN_LENGTH)),
    deniedBaseDns: deniedBaseDns.length,
    allowedGroups: allowedGroups.length,
    protectedGroups: protectedGroups.length,
    protectedAccounts: protectedAccounts.length,
    allowServicePrincipalNames: guard.allowServicePrincipalNames,
    limits,
    breaker: { ...guard.breaker, open: breaker.open, stoppedActors: breaker.stoppedActors },
    dryRun: guard.dryRun,
    policyHints: guard.policyHints,
    peers: peers.length,
  };
}
