import type { Intent, JournalRecord } from '../../src/agent/commands/journal-records.ts';

export const EPOCH = '00000000-0000-4000-8000-00000000000e';
/** The operation, and the dispatch, that the records below are about. */
export const CMD = '00000000-0000-4000-8000-00000000000c';
export const JTI = '00000000-0000-4000-8000-0000000000a1';
/** When they were made, and when what they allow was over. */
export const AT = '2030-01-01T00:00:00.000Z';
export const DIGEST = 'd'.repeat(43);

export const INTENT: Intent = {
  type: 'intent',
  cmd: CMD,
  jti: JTI,
  digest: DIGEST,
  token: DIGEST,
  op: 'reset',
  by: 'admin',
  actor: 'key:1',
  unlock: true,
  mustChange: 'not-asked',
  objectGuid: CMD,
  controller: 'dc1.corp.test',
  controllerTime: AT,
  pwdLastSet: '1',
  lockoutTime: '0',
  notAfter: AT,
  at: AT,
};
const ANSWER = { cmd: CMD, jti: JTI, digest: DIGEST, seq: 1, jws: 'aa.bb.cc' } as const;
export const OUTCOME = {
  type: 'outcome',
  ...ANSWER,
  code: 'APPLIED',
  notAfter: AT,
} as const satisfies JournalRecord;
export const REFUSAL = {
  type: 'refusal',
  ...ANSWER,
  code: 'BUSY',
  expires: AT,
} as const satisfies JournalRecord;

/** Another id, for each number another one. */
export function id(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}
