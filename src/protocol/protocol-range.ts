import { z } from 'zod';

/** Raised when a message changes in a way that an older peer cannot read. */
export const PROTOCOL_VERSION = 1;

/** The protocol versions that a program speaks. */
export const ProtocolRange = z
  .object({ min: z.int().positive(), max: z.int().positive() })
  .meta({ id: 'ProtocolRange' });

export type ProtocolRange = z.infer<typeof ProtocolRange>;

/** What this version of both programs speaks. */
export const PROTOCOLS: ProtocolRange = { min: 1, max: PROTOCOL_VERSION };

/** The highest version that both speak; undefined when there is none. */
export function commonProtocol(theirs: ProtocolRange, ours = PROTOCOLS): number | undefined {
  const highest = Math.min(theirs.max, ours.max);
  return highest >= Math.max(theirs.min, ours.min) ? highest : undefined;
}

/** A range in words. */
export function protocolsInWords({ min, max }: ProtocolRange): string {
  return min === max ? `protocol ${min}` : `protocols ${min} to ${max}`;
}
