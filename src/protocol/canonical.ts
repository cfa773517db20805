import serialize from 'canonicalize';
import type { AccountRef, Baseline } from './account.ts';
import type { z } from 'zod';
import type { Operation } from './codes.ts';
import type { OperationOptions } from './command.ts';

/** Everything that a sealed secret is bound to: it opens for exactly this and nothing else. */
export interface SecretBinding {
  readonly directory: string;
  readonly cmd: string;
  readonly op: Operation;
  readonly account: z.infer<typeof AccountRef>;
  readonly options: OperationOptions;
  readonly baseline: Baseline;
  readonly notAfter: string;
}

/**
 * RFC 8785 text of a JSON value: equal values give equal bytes. Throws a `TypeError` for what JSON
 * cannot hold, lone surrogates included; no claims that passed their schema do.
 */
export function canonicalJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = serialize(value);
  } catch {
    throw notJson(); // the cause may quote the value
  }
  if (text === undefined) throw notJson();
  return text;
}

function notJson(): TypeError {
  return new TypeError('canonicalJson: not a JSON value');
}

/** The additional authenticated data of a sealed secret, as text. */
export function bindingText(binding: SecretBinding): string {
  const { directory, cmd, op, account, options, baseline, notAfter } = binding;
  return canonicalJson({ directory, cmd, op, account, options, baseline, notAfter });
}
