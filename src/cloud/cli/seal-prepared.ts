import type { z } from 'zod';
import { seal, type SecretContent } from '../../protocol/sealing.ts';
import type { PreparedOperation } from '../api/bodies.ts';

type Prepared = z.infer<typeof PreparedOperation>;

/** What of the answer to `prepare` sealing needs. */
type ToSeal = Pick<
  Prepared,
  'operation' | 'objectGuid' | 'op' | 'options' | 'baseline' | 'notAfter'
> & { readonly recipients: readonly Pick<Prepared['recipients'][number], 'key'>[] };

/**
 * Seals to everybody that `prepare` named, for this operation only, as any caller of the API has
 * to. Rejects with `SealingError`.
 */
export function sealPrepared(
  directory: string,
  prepared: ToSeal,
  content: SecretContent,
): ReturnType<typeof seal> {
  const { operation: cmd, objectGuid, op, options, baseline, notAfter } = prepared;
  const account = { objectGuid };
  return seal(
    content,
    prepared.recipients.map(({ key }) => key),
    { directory, cmd, op, account, options, baseline, notAfter },
  );
}
