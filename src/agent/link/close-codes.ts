import { CLOSE_CODES } from '../../protocol/messages.ts';
import { UNTIL_ENABLED } from './refusal.ts';

export interface Closing {
  readonly reason: string;
  /** Only a person can change it: ask again rarely. */
  readonly refused: boolean;
}

const MEANINGS: Readonly<Partial<Record<number, Closing>>> = {
  1000: { reason: 'the service ended the session', refused: false },
  [CLOSE_CODES.drain]: { reason: 'the service is stopping', refused: false },
  1005: { reason: 'the service ended the session without a reason', refused: false },
  1006: { reason: 'the connection was lost', refused: false },
  1008: { reason: 'the service refused the session', refused: false },
  1009: { reason: 'the service found a frame too long', refused: false },
  1011: { reason: 'the service failed', refused: false },
  1012: { reason: 'the service is restarting', refused: false },
  1013: { reason: 'the service is overloaded', refused: false },
  [CLOSE_CODES.revoked]: {
    reason: 'the service has revoked this agent; enrol again if that is not wanted',
    refused: true,
  },
  [CLOSE_CODES.disabled]: {
    reason: `an admin has disabled this agent; ${UNTIL_ENABLED}`,
    refused: true,
  },
  [CLOSE_CODES.superseded]: {
    reason:
      'a newer session of the same identity took over; if this repeats, another machine runs a copy of the state folder',
    refused: false,
  },
  [CLOSE_CODES.upgradeRequired]: {
    reason: 'the service wants a newer agent: update it',
    refused: true,
  },
  [CLOSE_CODES.protocolError]: {
    reason: 'the service did not understand what the agent sent',
    refused: false,
  },
  [CLOSE_CODES.wrongJournal]: {
    reason: 'the journal is not the one that the service knows of this agent: enrol again',
    refused: true,
  },
  [CLOSE_CODES.tooSlow]: {
    reason:
      'a command was neither begun nor answered within 3 s: this machine or the way to the service is overloaded',
    refused: false,
  },
};

/** What a close code of the service's means to the agent. */
export function meaningOf(code: number): Closing {
  return MEANINGS[code] ?? { reason: `the session was closed (code ${code})`, refused: false };
}
