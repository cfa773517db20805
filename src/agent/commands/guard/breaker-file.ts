import { join } from 'node:path';
import { z } from 'zod';
import { Actor } from '../../../protocol/command.ts';
import { Timestamp, Uuid } from '../../../protocol/shapes.ts';
import { writeFileDurably } from '../../../support/files.ts';
import { readJson } from './json-file.ts';

const Trip = z.strictObject({
  id: Uuid,
  at: Timestamp,
  /** How many operations tripped it; 0 when what was open could not be read. */
  count: z.int().nonnegative(),
  /** Whom it stops; absent: everybody. */
  actor: Actor.optional(),
});

/** One opening of the breaker. */
export type Trip = z.infer<typeof Trip>;

const BreakerFile = z.strictObject({ trips: z.array(Trip) });

/** Only the running agent writes this file. */
export function breakerFile(stateFolder: string): string {
  return join(stateFolder, 'breaker.json');
}

/** What is open; empty without a file, `damaged` when it cannot be read. Never rejects. */
export async function readTrips(stateFolder: string): Promise<readonly Trip[] | 'damaged'> {
  const read = await readJson(breakerFile(stateFolder), BreakerFile);
  if (read.type === 'absent') return [];
  return read.type === 'read' ? read.content.trips : 'damaged';
}

export function writeTrips(stateFolder: string, trips: readonly Trip[]): Promise<void> {
  return writeFileDurably(breakerFile(stateFolder), `${JSON.stringify({ trips })}\n`);
}
