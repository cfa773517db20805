import type { z } from 'zod';
import type { OperationView } from '../../src/cloud/api/bodies.ts';
import type { PlannedCommand } from './plan.ts';

export type View = z.infer<typeof OperationView>;

/** What a caller saw of one command; moments are epoch milliseconds of this machine. */
export interface CommandHistory {
  readonly command: PlannedCommand;
  readonly startedAt: number;
  /** When the wrong passwords that lock the account were all given. */
  lockedAt?: number;
  /** When the answer to `prepare` came. */
  preparedAt?: number;
  operation?: string;
  /** When the operation was first handed in. */
  submittedAt?: number;
  /** When the caller knew for good. */
  endedAt?: number;
  /** The last that the API said of the operation. */
  view?: View;
  /** Why there is no operation, or why the caller gave up. */
  refusal?: string;
  rival?: RivalHistory;
  /** Requests that were sent, the repeated ones included. */
  requests: number;
}

/** What became of the rival's own reset. */
export interface RivalHistory {
  readonly password: string;
  readonly controller: number;
  readonly beganAt: number;
  endedAt?: number;
  /** `unknown` when the connection broke on the way. */
  done: 'yes' | 'no' | 'unknown';
}
