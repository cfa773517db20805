import { base64url } from 'jose';
import { bindingText, canonicalJson, sha256 } from '../../protocol/canonical.ts';
import type { SealedSecret } from '../../protocol/sealed.ts';
import type { OperationRecord } from '../store/records.ts';
import type { Caller } from './caller.ts';
import type { Core } from './core.ts';
import { bindingOf } from './prepare.ts';
import { secretPurpose } from './secret-purpose.ts';
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
    detail: 'there is no such operation; prepare one first',
  });
}

/**
 * Takes the sealed secret of a prepared operation, durably. Resolves with the operation as that made
 * it pending; undefined when the very same was submitted before. Rejects with `ServiceError`.
 */
export async function submit(
  core: Core,
  operation: OperationRecord,
  secret: SealedSecret | undefined,
): Promise<OperationRecord | undefined> {
  const content = await sha256(canonicalJson({ secret: secret ?? {} }));
  if (operation.state !== 'prepared') {
    assertSame(operation, content);
    return undefined;
  }
  if (core.clock.now() >= operation.notAfter) {
    throw new ServiceError('EXPIRED', { detail: 'prepared too long ago; prepare again' });
  }
  check(operation, secret);
  const wrapped =
    secret === undefined
      ? undefined
      : await core.keys.storage.wrap(JSON.stringify(secret), secretPurpose(operation.id));
  if (await core.store.operations.submit(operation.id, content, wrapped)) {
    return {
      ...operation,
      state: 'pending',
      content,
      ...(wrapped !== undefined && { secret: wrapped }),
    };
  }
  const winner = await core.store.operations.find(operation.id);
  assertSame(winner ?? operation, content);
  return undefined;
}

function assertSame(operation: OperationRecord, content: string): void {
  if (operation.content === content) return;
  throw operation.content === undefined
    ? new ServiceError('EXPIRED', { detail: 'prepared too long ago; prepare again' })
    : new ServiceError('OPERATION_CONFLICT', {
        detail: 'this operation was submitted with other content; prepare a new one',
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
      detail: 'the secret is not bound to this operation; seal with the `aad` that prepare gave',
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
