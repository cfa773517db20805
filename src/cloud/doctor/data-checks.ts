import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { timestamp } from '../../protocol/shapes.ts';
import { failed, passed, warned, type CheckResult, type Finding } from '../../support/checks.ts';
import { isFault, messageOf } from '../../support/errors.ts';
import { fileFailure } from '../../support/file-failure.ts';
import { knownVersion } from '../../support/folder-version.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { expiryStanding } from '../health/expiry.ts';
import { KeyFolderError } from '../keys/key-folder-error.ts';
import { KeyFolder } from '../keys/key-folder.ts';
import { KEY_STEPS } from '../keys/key-version.ts';
import { loadServiceKeys } from '../keys/service-keys.ts';
import { result } from './check-list.ts';

const POSIX = process.platform !== 'win32';

/** Looks at the data folder, and at the keys in it. */
export async function lookAtData(
  { dataFolder: data, url }: CloudConfig,
  now: number,
): Promise<readonly CheckResult[]> {
  const { keys } = dataFolder(data);
  return [
    result('data.folder', await lookAtFolder(data)),
    result('keys.files', (await openKeyFile(keys)) ?? (await keySetFinding(keys, url, now))),
    result('keys.root', await rootFinding(join(keys, 'root.json'))),
  ];
}

async function lookAtFolder(path: string): Promise<Finding> {
  let found: Stats;
  try {
    found = await stat(path);
  } catch (error) {
    return failed(
      `${path} ${fileFailure(error)}`,
      'Make it with passback-cloud init, or put it back from a backup.',
    );
  }
  if (!POSIX) return passed(`${path} is there; who may enter it, icacls shows`);
  if ((found.mode & 0o077) !== 0) {
    const commands = [{ where: 'as its owner, or root', lines: [`chmod 700 ${shellWord(path)}`] }];
    return failed(`other accounts can enter ${path}, which holds private keys`, 'Close it:', {
      commands,
    });
  }
  const uid = process.geteuid?.();
  if (uid === found.uid) return passed(`${path} is private`);
  const lines = [`sudo -u '#${found.uid}' passback-cloud doctor …`];
  return warned(
    `${path} belongs to another account (uid ${found.uid}, this is ${uid ?? 'unknown'})`,
    'Ask again as the account of the service:',
    { commands: [{ where: 'here', lines }] },
  );
}

async function openKeyFile(folder: string): Promise<Finding | undefined> {
  const names = POSIX ? await readdir(folder).catch(() => [] as string[]) : [];
  for (const name of names.filter((one) => !one.endsWith('.public.json'))) {
    const path = join(folder, name);
    const { mode } = await stat(path);
    if ((mode & 0o077) === 0) continue;
    const commands = [{ where: 'as its owner, or root', lines: [`chmod 600 ${shellWord(path)}`] }];
    return failed(`other accounts can read ${path}`, 'Close it, and rotate if they may have:', {
      commands,
    });
  }
  return undefined;
}

async function keySetFinding(folder: string, url: string, now: number): Promise<Finding> {
  const commands = [
    {
      where: 'with the root key at hand',
      lines: [`passback-cloud keys rotate --data ${shellWord(dirname(folder))}`],
    },
  ];
  try {
    const { keySet } = await loadServiceKeys(new KeyFolder(folder), url, now);
    const version = await knownVersion(folder, KEY_STEPS);
    const found = `version ${version}, key set ${keySet.number}, until ${timestamp(keySet.expiresAt).slice(0, 10)}`;
    return expiryStanding(keySet, now) === 'good'
      ? passed(found)
      : warned(found, 'Rotate:', { commands });
  } catch (error) {
    if (!isFault(error)) throw error;
    const isOver = error instanceof KeyFolderError && error.code === 'KEYS_EXPIRED';
    return failed(
      messageOf(error).replace(/^keys: /, ''),
      isOver ? 'Rotate:' : 'Do what it says; a rotation does not mend what is damaged.',
      isOver ? { commands } : {},
    );
  }
}

async function rootFinding(path: string): Promise<Finding> {
  try {
    await stat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return passed('its private half is not on this machine');
    return failed(`${path} ${fileFailure(error)}`, 'Ask again as the account of the service.');
  }
  return warned(
    `${path} is on this machine: whoever has it is this service to every agent, for ever`,
    'Move it to a safe place off line; keys rotate asks for it once a year (keys draft, sign, install where it stays there).',
  );
}
