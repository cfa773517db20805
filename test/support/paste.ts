import { execFile } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { shellWord } from '../../src/support/shell-word.ts';
import { MAIN, ROOT } from './program.ts';

export interface PasteOptions {
  readonly cwd: string;
  /** Joins the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whose shell it is. Only root can choose. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

const run = promisify(execFile);

/**
 * Command lines as a person pastes them into a shell, with the two programs installed. Resolves with what
 * they have printed; rejects when one of them fails.
 */
export async function paste(
  lines: readonly string[],
  { cwd, env = {}, owner }: PasteOptions,
): Promise<string> {
  const bin = await mkdtemp(join(tmpdir(), 'passback-bin-'));
  try {
    await chmod(bin, 0o755);
    await install(bin, 'passback', MAIN.agent);
    await install(bin, 'passback-cloud', MAIN.cloud);
    const variables = Object.entries(env).map(([name, value]) => `${name}=${shellWord(value)}`);
    const script = [`export PATH="${bin}:$PATH" ${variables.join(' ')}`, ...lines].join('\n');
    const { stdout } = await run('sh', ['-ec', script], { cwd, ...owner });
    return stdout;
  } finally {
    await rm(bin, { recursive: true });
  }
}

async function install(bin: string, name: string, main: string): Promise<void> {
  const script = `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, main)}' "$@"\n`;
  await writeFile(join(bin, name), script);
  await chmod(join(bin, name), 0o755);
}
