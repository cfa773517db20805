import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurably } from '../../support/files.ts';
import { PublicKey } from '../../protocol/keys.ts';
import { Base64Url, CompactJws, DirectoryId, Timestamp, Uuid } from '../../protocol/shapes.ts';
import { IdentityError } from './identity-error.ts';
import { parseJson } from '../../support/parse-json.ts';

const PrivateKey = z.strictObject({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: Base64Url.length(43),
  y: Base64Url.length(43),
  d: Base64Url.length(43),
});

export type PrivateKey = z.infer<typeof PrivateKey>;

const SealingKeyFile = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        private: PrivateKey,
        since: Timestamp,
        /** Absent for the current key, which is the first. */
        until: Timestamp.optional(),
        statement: CompactJws,
      }),
    )
    .min(1),
});

export type SealingKeyFile = z.infer<typeof SealingKeyFile>;

/** One file each, so that what changes daily is never in the way of what never changes. */
const FILES = {
  /** Written last by enrolment: with it the state folder is an enrolled agent's. */
  identity: {
    name: 'identity.json',
    schema: z.strictObject({
      agent: Uuid,
      directory: DirectoryId,
      issuer: z.url(),
      root: PublicKey,
      enrolledAt: Timestamp,
    }),
  },
  device: { name: 'device-key.json', schema: PrivateKey },
  sealing: { name: 'sealing-keys.json', schema: SealingKeyFile },
  keySet: { name: 'key-set.json', schema: z.strictObject({ keySet: CompactJws }) },
} as const;

/** Only enrolment and, under the lock of the folder, the running agent write these. */
export const STATE_FILES: readonly string[] = Object.values(FILES).map(({ name }) => name);

export type StateFileName = keyof typeof FILES;
export type StateFile<N extends StateFileName> = z.infer<(typeof FILES)[N]['schema']>;

/** The content of a state file; undefined when there is none. Never quotes it in an error. */
export async function readState<N extends StateFileName>(
  folder: string,
  which: N,
): Promise<StateFile<N> | undefined> {
  const path = join(folder, FILES[which].name);
  const text = await textOf(path);
  if (text === undefined) return undefined;
  const parsed = FILES[which].schema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data as StateFile<N>;
  throw new IdentityError('STATE_DAMAGED', `${path} is damaged: ${START_OVER}`);
}

/** Replaces a state file durably, for its owner only. */
export function writeState<N extends StateFileName>(
  folder: string,
  which: N,
  content: StateFile<N>,
): Promise<void> {
  return writeFileDurably(join(folder, FILES[which].name), `${JSON.stringify(content)}\n`);
}

const START_OVER =
  'nothing needs recovering, empty the state folder and enrol again with a new token';

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new IdentityError('STATE_UNREADABLE', `${path} cannot be read (${code ?? 'unknown'})`);
  }
}
