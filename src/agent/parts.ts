import type { Clock } from '../support/clock.ts';
import type { Logger } from '../support/logger.ts';
import type { ServiceManager } from '../support/service-manager.ts';
import type { Admission } from './commands/guard/admission.ts';
import type { Journal } from './commands/journal.ts';
import type { AgentConfig } from './config/agent-config.ts';
import type { Directory } from './directory/directory.ts';
import type { startSchedule } from './health/schedule.ts';
import type { StoredIdentity } from './identity/load-identity.ts';
import type { Peers } from './identity/peers.ts';
import type { Standing } from './standing.ts';

/** What a running agent is made of, opened and not yet connected with each other. */
export interface Parts {
  readonly config: AgentConfig;
  readonly identity: StoredIdentity;
  readonly peers: Peers;
  readonly standing: Standing;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly directory: Directory;
  readonly abort: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly schedule: typeof startSchedule;
  readonly serviceManager: ServiceManager | undefined;
}
