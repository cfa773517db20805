import { readFile } from 'node:fs/promises';
import type { z } from 'zod';

export type ReadJson<T> =
  | { readonly type: 'read'; readonly content: T }
  | { readonly type: 'absent' }
  /** `why` says so in words that end a sentence, and quotes nothing of it. */
  | { readonly type: 'unusable'; readonly why: string };

/** Reads a JSON file of this shape. Never rejects: who asks has to decide what each case means. */
export async function readJson<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<ReadJson<z.infer<S>>> {
  try {
    const parsed = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return parsed.success
      ? { type: 'read', content: parsed.data }
      : { type: 'unusable', why: 'is damaged' };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { type: 'absent' };
    return {
      type: 'unusable',
      why: code === undefined ? 'is damaged' : `cannot be read (${code})`,
    };
  }
}
