import type { ArchivedFile } from './tar.ts';

/** A text that must not leave the machine, and what stands for it. */
export interface Scrubbed {
  readonly text: string;
  readonly by: string;
}

/** Shorter ones would be found by chance, all over. */
const SHORTEST = 4;

/**
 * The same plain value with these texts replaced wherever they stand in a string, whatever their case.
 * The second line of defence: what goes into a bundle is chosen by allow-lists.
 */
export function scrub<T>(value: T, texts: readonly Scrubbed[]): T {
  const patterns = texts
    .filter(({ text }) => text.length >= SHORTEST)
    .toSorted((a, b) => b.text.length - a.text.length)
    .map(({ text, by }) => ({
      pattern: new RegExp(text.replaceAll(/[|\\{}()[\]^$+*?.]/g, String.raw`\$&`), 'gi'),
      by,
    }));
  const clean = (one: unknown): unknown => {
    if (typeof one === 'string') {
      return patterns.reduce((text, { pattern, by }) => text.replace(pattern, by), one);
    }
    if (Array.isArray(one)) return one.map(clean);
    if (typeof one !== 'object' || one === null) return one;
    return Object.fromEntries(Object.entries(one).map(([key, inner]) => [key, clean(inner)]));
  };
  return clean(value) as T; // of the same shape
}

/** A file of the bundle with these lines of JSON, scrubbed. */
export function scrubbedLines(
  name: string,
  lines: readonly string[],
  texts: readonly Scrubbed[],
): ArchivedFile {
  const clean = (line: string): string => JSON.stringify(scrub(JSON.parse(line) as unknown, texts));
  return { name, content: lines.map((line) => `${clean(line)}\n`).join('') };
}
