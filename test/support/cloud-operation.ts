import { sealPrepared } from '../../src/cloud/cli/seal-prepared.ts';
import type { Baseline } from '../../src/protocol/account.ts';
import type { PublicKey } from '../../src/protocol/keys.ts';
import type { SealedSecret } from '../../src/protocol/sealed.ts';
import type { SecretContent } from '../../src/protocol/sealing.ts';
import { TEST_DIRECTORY, type ApiAnswer, type ApiCall, type TestCloud } from './start-cloud.ts';

/** What `prepare` answers. */
export interface Prepared {
  readonly operation: string;
  readonly objectGuid: string;
  readonly op: 'reset' | 'change' | 'unlock';
  readonly options: { readonly unlock: boolean; readonly mustChange: boolean };
  readonly baseline: Baseline;
  readonly notAfter: string;
  readonly recipients: readonly {
    readonly agent: string;
    readonly fingerprint: string;
    readonly key: PublicKey;
    readonly statement: string;
  }[];
  readonly aad: string;
}

/** What reading or submitting an operation answers. */
export interface OperationAnswer {
  readonly operation: string;
  readonly status: string;
  readonly final: boolean;
  readonly code?: string;
  readonly agent?: string;
  readonly signedOutcome?: string;
}

/** Prepares an operation through the API; throws unless it would be taken. */
export async function prepareOperation(
  cloud: TestCloud,
  wish: object = {},
  options: ApiCall = {},
): Promise<Prepared> {
  const body = { account: { name: 'ada' }, op: 'reset', ...wish };
  const answer = await cloud.call('POST', 'prepare', { body, ...options });
  if (answer.status !== 200) throw new Error(`prepare: ${JSON.stringify(answer.body)}`);
  return answer.body as Prepared;
}

/** Seals as an honest caller does. */
export function sealFor(
  prepared: Prepared,
  content: SecretContent = { password: 'Correct-Horse-1' },
): Promise<SealedSecret> {
  return sealPrepared(TEST_DIRECTORY, prepared, content);
}

/** Submits a prepared operation and waits up to `waitS` for its outcome. */
export async function submitOperation(
  cloud: TestCloud,
  prepared: Prepared,
  { secret, waitS = 20, ...call }: ApiCall & { secret?: SealedSecret; waitS?: number } = {},
): Promise<ApiAnswer & { readonly body: OperationAnswer }> {
  const sealed = secret ?? (prepared.op === 'unlock' ? undefined : await sealFor(prepared));
  const answer = await cloud.call('PUT', `operations/${prepared.operation}`, {
    body: sealed === undefined ? {} : { secret: sealed },
    headers: waitS > 0 ? { prefer: `wait=${waitS}` } : {},
    ...call,
  });
  return answer as ApiAnswer & { body: OperationAnswer };
}
