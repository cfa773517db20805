import { createHash } from 'node:crypto';
import { base64url } from 'jose';
import { bindingText, canonicalJson } from '../../protocol/canonical.ts';
import type { SealedSecret } from '../../protocol/sealed.ts';
import type { DispatchRecord, OperationRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { makeDispatch, type Dispatch } from './dispatch.ts';
import { bindingOf } from './prepare.ts';
import { wrapSecret } from './secret-at-rest.ts';
import type { Assignment } from './relay.ts';
import { ServiceError } from './service-error.ts';

/** An operation of this caller's. Rejects with `UNKNOWN_OPERATION`, also for somebody else's. */
export async function findOperation(
  core: Core,
  caller: Caller,
  id: string,
): Promise<OperationRecord> {
  const operation = await core.store.operations.find(id);
  if (operation?.directory === caller.directory && operation.apiKey === caller.apiKey) {
    return operation;
  }
  throw new ServiceError('UNKNOWN_OPERATION', {
    detail: 'there is no such operation',
  });
}

/** What handing in made of an operation. */
export interface Submission {
  readonly operation: OperationRecord;
  /** As durable as the operation itself. */
  readonly first: Dispatch | undefined;
  readonly assignment: Assignment;
}

/**
 * Takes the sealed secret of a prepared operation and, where there is an agent to give it to, makes
 * the first dispatch: durably, both at once. Resolves with undefined when the very same was
 * submitted before. Rejects with `ServiceError`.
 */
export async function submit(
  core: Core,
  operation: OperationRecord,
  {
    secret,
    session,
  }: { readonly secret: SealedSecret | undefined; session: AgentSession | undefined },
): Promise<Submission | undefined> {
  const content = contentOf(secret);
  if (operation.state !== 'prepared') {
    assertSame(operation, content);
    return undefined;
  }
  if (core.clock.now() >= operation.notAfter) {
    throw new ServiceError('EXPIRED', { detail: 'prepared too long ago; prepare again' });
  }
  check(operation, secret);
  const [wrapped, first] = await Promise.all([
    secret && wrapSecret(core, operation.id, secret),
    session && makeDispatch(core, operation, { session, earlier: [], secret }),
  ]);
  const record = first && (await core.relay.toRecord(first));
  const submitting = { operation, content, secret: wrapped, first: record };
  const assignment = await core.submissions.run(submitting);
  if (assignment === undefined) {
    assertSame((await core.store.operations.find(operation.id)) ?? operation, content);
    return undefined;
  }
  const at = wrapped === undefined ? {} : { secret: wrapped };
  return {
    operation: { ...operation, state: 'pending', content, ...at },
    first: isFirst(assignment) ? first : undefined,
    assignment,
  };
}

/** An operation that is about to be submitted. */
export interface Submitting {
  readonly operation: OperationRecord;
  readonly content: string;
  readonly secret: string | undefined;
  /** Its first dispatch, for when this node may hand it over at once. */
  readonly first: DispatchRecord | undefined;
}

/**
 * Makes prepared operations pending ones that a node runs: all in one transaction. Resolves, for each,
 * with who does; with undefined when it is not prepared any more.
 */
export async function submitAll(
  { store, relay }: Pick<Core, 'store' | 'relay'>,
  submitting: readonly Submitting[],
): Promise<readonly (Assignment | undefined)[]> {
  // Handed in twice at one time: the first counts.
  const firsts = new Map([...submitting].reverse().map((each) => [each.operation.id, each]));
  return store.atomically(async (inside) => {
    const all = [...firsts.values()];
    const assigned = await relay.assign(
      inside,
      all.map(({ operation }) => operation),
    );
    const runners = new Map(all.map((each, at) => [each, assigned[at]]));
    const submitted = await inside.operations.submit(
      all.map((each) => {
        const { operation, content, secret, first } = each;
        const assignment = runners.get(each);
        const dispatch = assignment && isFirst(assignment) ? first : undefined;
        return { id: operation.id, content, secret, runner: assignment?.runner, dispatch };
      }),
    );
    return submitting.map((each) => {
      return submitted.has(each.operation.id) ? runners.get(each) : undefined;
    });
  });
}

/** Whether this node may hand the operation over at once: nothing of the account comes before it. */
function isFirst({ isOwn, before }: Assignment): boolean {
  return isOwn && before.length === 0;
}

/** What makes two submissions the same. */
function contentOf(secret: SealedSecret | undefined): string {
  const text = canonicalJson({ secret: secret ?? {} });
  return createHash('sha256').update(text).digest('base64url');
}

function assertSame(operation: OperationRecord, content: string): void {
  if (operation.content === content) return;
  throw operation.content === undefined
    ? new ServiceError('EXPIRED', { detail: 'prepared too long ago; prepare again' })
    : new ServiceError('OPERATION_CONFLICT', {
        detail: 'this operation was submitted with other content',
      });
}

function check(operation: OperationRecord, secret: SealedSecret | undefined): void {
  if (operation.op === 'unlock') {
    if (secret === undefined) return;
    throw new ServiceError('SECRET_UNEXPECTED', { detail: 'an unlock has no secret' });
  }
  if (secret === undefined) {
    throw new ServiceError('SECRET_MISSING', {
      detail: `a ${operation.op} needs \`secret\`: the password, sealed to the recipients`,
    });
  }
  if (secret.aad !== base64url.encode(bindingText(bindingOf(operation)))) {
    throw new ServiceError('WRONG_BINDING', {
      detail: 'the secret is not bound to this operation',
    });
  }
  const kids = secret.recipients.map(({ header }) => header.kid);
  const wanted = operation.recipients.map(({ kid }) => kid);
  // To all of them, so that another agent can take over, and to nobody else.
  if (kids.sort().join() !== wanted.sort().join()) {
    throw new ServiceError('WRONG_RECIPIENT', {
      detail: 'the secret has to be sealed to each of the recipients that prepare named, once',
    });
  }
}
