import type { Operation } from '../../protocol/codes.ts';
import type { OperationOptions } from '../../protocol/command.ts';
import { ServiceError } from './service-error.ts';

/** What a caller may say about an operation; absent means the default of the operation. */
export interface WishedOptions {
  readonly unlock?: boolean | undefined;
  readonly mustChange?: boolean | undefined;
}

/** A reset unlocks unless declined; the other operations leave nothing to choose. Throws `ServiceError`. */
export function resolveOptions(op: Operation, wished: WishedOptions): OperationOptions {
  switch (op) {
    case 'reset':
      return { unlock: wished.unlock ?? true, mustChange: wished.mustChange ?? false };
    case 'change':
      return fixed(op, wished, { unlock: false, mustChange: false });
    case 'unlock':
      return fixed(op, wished, { unlock: true, mustChange: false });
  }
}

function fixed(op: Operation, wished: WishedOptions, only: OperationOptions): OperationOptions {
  for (const name of ['unlock', 'mustChange'] as const) {
    if ((wished[name] ?? only[name]) === only[name]) continue;
    throw new ServiceError('INVALID_OPTIONS', {
      detail: `options.${name} cannot be ${String(wished[name])} for ${op}`,
    });
  }
  return only;
}
