import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failed, passed, skipped, type Finding } from '../../support/checks.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { STATE_FILES } from '../identity/state-files.ts';

const POSIX = process.platform !== 'win32';

/**
 * Looks at the modes of files that hold keys, or decide what is done with them. A password file that
 * others can read makes no configuration.
 */
export async function lookAtFiles(
  config: AgentConfig,
  configFile: string | undefined,
): Promise<readonly { readonly about?: string; readonly finding: Finding }[]> {
  if (!POSIX) {
    return [{ finding: skipped('Windows has access lists instead of modes: icacls shows them') }];
  }
  const { service, directory, stateFolder } = config;
  const looks = [
    ...[configFile, service.caFile, directory.caFile, service.proxy?.caFile].map((path) => ({
      path,
      forbidden: 0o002,
      what: 'every account can change it, and with it whom the agent believes',
      cure: 'chmod o-w',
    })),
    ...STATE_FILES.map((name) => ({
      path: join(stateFolder, name),
      forbidden: 0o077,
      what: 'other accounts can read the keys in it',
      cure: 'chmod 600',
    })),
  ];
  const open: { readonly about: string; readonly finding: Finding }[] = [];
  let count = 0;
  for (const { path, forbidden, what, cure } of looks) {
    const mode = path === undefined ? undefined : await modeOf(path);
    if (path === undefined || mode === undefined) continue;
    count += 1;
    if ((mode & forbidden) === 0) continue;
    const lines = [`${cure} ${shellWord(path)}`];
    const commands = [{ where: 'as the owner of the file, or root', lines }];
    open.push({ about: path, finding: failed(what, 'Close it:', { commands }) });
  }
  return open.length > 0 ? open : [{ finding: passed(`${count} files are closed to others`) }];
}

/** Undefined for what is not there, or not to be seen: whoever reads it says so. */
async function modeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mode;
}
