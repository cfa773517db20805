import { CLOSE_CODES } from '../../protocol/messages.ts';
import type { AgentRecord } from '../store/records.ts';

/** Why an agent may have no session, as its connection, its session and its log are told. */
export interface Bar {
  readonly code: 'AGENT_REVOKED' | 'AGENT_DISABLED';
  readonly closeCode: number;
  readonly detail: string;
}

/** What keeps an agent out; undefined when nothing does. Revoked is for good, and says more. */
export function barOf({
  state,
  disabled,
}: Pick<AgentRecord, 'state' | 'disabled'>): Bar | undefined {
  if (state === 'revoked') return REVOKED;
  if (disabled === undefined) return undefined;
  return DISABLED;
}

/** Whether an agent is to be given work, and secrets are to be sealed to it. */
export function isInService({ state, disabled }: Pick<AgentRecord, 'state' | 'disabled'>): boolean {
  return state === 'approved' && disabled === undefined;
}

/** Without the reason, which a person has typed for other admins: agents keep what they are told. */
const DISABLED: Bar = {
  code: 'AGENT_DISABLED',
  closeCode: CLOSE_CODES.disabled,
  detail:
    'an admin has disabled this agent; after `passback-cloud agent enable` it is let in when it tries again, which is within a quarter of an hour',
};

const REVOKED: Bar = {
  code: 'AGENT_REVOKED',
  closeCode: CLOSE_CODES.revoked,
  detail: 'this agent was revoked; enrol it again if that is not wanted',
};
