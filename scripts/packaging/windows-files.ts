import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventMessages } from './event-messages.ts';
import { messageDll } from './message-dll.ts';

/** What an admin runs, from service/windows. */
const FOR_ADMINS = ['install.ps1', 'uninstall.ps1', 'passback-winsw.xml'];

/** What an admin reads next, and what that leads to, from service. */
const BESIDE = [
  'OPERATING.md',
  'DELEGATION.md',
  'delegation/passback-delegation.ps1',
  'delegation/passback-delegation',
  'delegation/access_lists.py',
];

/** What only Windows has: the texts of the Event Log, what installs the service, and what there is to read. */
export async function addWindowsFiles(root: string, folder: string): Promise<void> {
  await writeFile(join(folder, 'passback-events.dll'), messageDll(eventMessages()));
  for (const file of FOR_ADMINS) {
    await copyFile(join(root, 'service/windows', file), join(folder, file));
  }
  await mkdir(join(folder, 'delegation'));
  for (const file of BESIDE) await copyFile(join(root, 'service', file), join(folder, file));
  await copyFile(join(root, 'config/REFERENCE.md'), join(folder, 'REFERENCE.md'));
  const readme = await readFile(join(root, 'service/windows/README.md'), 'utf8');
  // What is one folder above in the repository stands beside it here.
  await writeFile(join(folder, 'README.md'), readme.replaceAll('](../', ']('));
}
