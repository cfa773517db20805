import type { Clock } from '../../support/clock.ts';
import type { Logger } from '../../support/logger.ts';
import type { Rounds } from '../../support/rounds.ts';
import type { DeviceKeys } from '../keys/device-keys.ts';
import type { ServiceKeys } from '../keys/service-keys.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Together } from '../store/together.ts';
import type { AgentSessions } from './agent-session.ts';
import type { Meters } from './meters.ts';
import type { Assignment, Relay } from './relay.ts';
import type { Answer } from './settle.ts';
import type { Submitting } from './submit.ts';

/** What every part of the service's work with agents needs. */
export interface Core {
  /** The public URL: issuer of our tokens, audience of the agents'. */
  readonly issuer: string;
  readonly store: Store;
  /** For what every agent writes when it connects: a whole fleet does at once. */
  readonly groupCommit: GroupCommit;
  /** What callers hand in and what agents answer at one time is written down together. */
  readonly submissions: Together<Submitting, Assignment | undefined>;
  readonly answers: Together<Answer, OperationRecord | undefined>;
  readonly keys: ServiceKeys;
  readonly deviceKeys: DeviceKeys;
  readonly sessions: AgentSessions;
  readonly relay: Relay;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meters: Meters;
  readonly rounds: Rounds;
}

/** RFC 7519 NumericDate of now. */
export function nowSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}
