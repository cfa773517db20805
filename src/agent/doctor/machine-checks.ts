import type { Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { failed, passed, skipped, type Finding } from '../../support/checks.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { STATE_FILES } from '../identity/state-files.ts';
import { closedTo } from './owner-sight.ts';

const POSIX = process.platform !== 'win32';

/**
 * Looks at the modes of files that hold keys, or decide what is done with them; as root also whether
 * the account of the agent can read what it needs, but for its password, which systemd may hand over. A
 * password file that others can read makes no configuration.
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
      ...{ path, forbidden: 0o002 },
      what: 'every account can change it, and with it whom the agent believes',
      ...{ cure: 'chmod o-w', where: 'as the owner of the file, or root' },
    })),
    ...STATE_FILES.map((name) => ({
      ...{ path: join(stateFolder, name), forbidden: 0o077 },
      what: 'other accounts can read the keys in it',
      ...{ cure: 'chmod 600', where: 'as the account of the agent' }, // root would follow its links
    })),
  ];
  const open = [...(await closedFiles(config, configFile))];
  let count = 0;
  for (const { path, forbidden, what, cure, where } of looks) {
    const mode = path === undefined ? undefined : (await statsOf(path))?.mode;
    if (path === undefined || mode === undefined) continue;
    count += 1;
    if ((mode & forbidden) === 0) continue;
    const lines = [`${cure} ${shellWord(path)}`];
    const commands = [{ where, lines }];
    open.push({ about: path, finding: failed(what, 'Close it:', { commands }) });
  }
  return open.length > 0 ? open : [{ finding: passed(`${count} files are closed to others`) }];
}

/**
 * What in the state folder is neither a file of its own, a folder nor a socket: nobody but the agent's
 * account can put something there, and root would follow its links, or wait at its pipes.
 */
export async function lookAtStrangers(
  stateFolder: string,
): Promise<readonly { readonly about: string; readonly finding: Finding }[]> {
  if (!POSIX) return [];
  const found: { about: string; finding: Finding }[] = [];
  for (const name of await namesIn(stateFolder)) {
    const about = join(stateFolder, name);
    const stats = await lstat(about).catch(() => undefined);
    const isOwn = stats?.isFile() === true && stats.nlink === 1;
    if (stats === undefined || isOwn || stats.isDirectory() || stats.isSocket()) continue;
    const finding = failed(
      'it is a link, or no file at all: the agent makes nothing like it',
      'Find out who put it there, then delete it; do not change what it points to.',
    );
    found.push({ about, finding });
  }
  return found;
}

/** What root sees and the owner of the state folder does not. */
async function closedFiles(
  { service: { caFile, proxy }, directory, stateFolder }: AgentConfig,
  configFile: string | undefined,
): Promise<readonly { readonly about: string; readonly finding: Finding }[]> {
  const owner = process.geteuid?.() === 0 ? await statsOf(stateFolder) : undefined;
  if (owner === undefined || owner.uid === 0) return [];
  const needed = [configFile, caFile, directory.caFile, proxy?.caFile, proxy?.credentialsFile];
  const paths = needed.filter((path) => path !== undefined);
  const state = (await namesIn(stateFolder)).map((name) => join(stateFolder, name));
  return (await closedTo(owner, [...paths, ...state])).map((path) => {
    const lines = state.includes(path)
      ? [`chown -h ${owner.uid}:${owner.gid} ${shellWord(path)}`] // root has left it there
      : [`chgrp ${owner.gid} ${shellWord(path)}`, `chmod g+r ${shellWord(path)}`];
    const finding = failed(
      `the account of the agent (uid ${owner.uid}) may not read it`,
      'Let it, and let it enter the folders above:',
      { commands: [{ where: 'as root', lines }] },
    );
    return { about: path, finding };
  });
}

/** None where the folder is not there, or not to be seen. */
function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

/** Undefined for what is not there, or not to be seen: whoever reads it says so. */
async function statsOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}
