import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SbomSchema } from './sbom-schema.ts';
import { CHECKSUMS, filesBelow, sha256Of } from './settle.ts';

export interface FinishedBundle {
  readonly folder: string;
  /** What nobody who gets it has to know: paths and hosts of where it was made. */
  readonly traces: readonly string[];
  readonly schema: SbomSchema;
}

/** What is wrong with a finished bundle, in words; empty when nothing is. */
export async function bundleProblems({
  folder,
  traces,
  schema,
}: FinishedBundle): Promise<readonly string[]> {
  const files = await filesBelow(folder);
  const sbom: unknown = JSON.parse(await readFile(join(folder, 'sbom.cdx.json'), 'utf8'));
  return [
    ...(await checksumProblems(folder, files)),
    ...(await traceProblems(folder, files, traces)),
    ...schema(sbom),
  ];
}

async function checksumProblems(
  folder: string,
  files: readonly string[],
): Promise<readonly string[]> {
  const text = await readFile(join(folder, CHECKSUMS), 'utf8');
  const said = new Set(text.trimEnd().split('\n'));
  const found = await Promise.all(
    files
      .filter((file) => file !== CHECKSUMS)
      .map(async (file) => `${await sha256Of(join(folder, file))}  ${file}`),
  );
  const problems = found.filter((line) => !said.has(line)).map((line) => `not summed: ${line}`);
  return said.size === found.length ? problems : [...problems, `${CHECKSUMS} names other files`];
}

async function traceProblems(
  folder: string,
  files: readonly string[],
  traces: readonly string[],
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const file of files) {
    const content = await readFile(join(folder, file));
    for (const trace of traces) {
      if (content.includes(trace)) problems.push(`${file} holds ${trace}`);
    }
    // A map has the paths of all sources, and what a stack says is readable without.
    if (file.endsWith('.js') && content.includes('\n//# sourceMappingURL=')) {
      problems.push(`${file} names a source map`);
    }
  }
  return problems;
}
