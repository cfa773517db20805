import { build } from 'esbuild';
import type { ProgramParts } from './programs.ts';

/** CommonJS packages ask for Node's own modules by `require`, which a JavaScript module does not have. */
const BANNER = [
  `import { createRequire as __createRequire } from 'node:module';`,
  `const require = __createRequire(import.meta.url);`,
].join('\n');

/**
 * Compiles a program into one file for each of its entries and resolves with the paths of all
 * sources that went in. Names and lines stay readable: what runs can be read, and so can a stack.
 */
export async function compile(
  root: string,
  { entries }: Pick<ProgramParts, 'entries'>,
  into: string | undefined,
): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { ...entries },
    ...(into === undefined ? { write: false, outdir: 'nowhere' } : { outdir: into }),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    // Both are asked for by name at run time: one is a loose package, the other nobody installs.
    external: ['koffi', 'pg-native'],
    banner: { js: BANNER },
    metafile: true,
    logLevel: 'warning',
  });
  return Object.keys(metafile.inputs).sort();
}
