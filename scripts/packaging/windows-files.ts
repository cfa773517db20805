import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventMessages } from './event-messages.ts';
import { messageDll } from './message-dll.ts';

/** What an admin runs or reads, from service/windows. */
const FOR_ADMINS = ['install.ps1', 'uninstall.ps1', 'passback-winsw.xml', 'README.md'];

/** What only Windows has: the texts of the Event Log, and what installs the service. */
export async function addWindowsFiles(root: string, folder: string): Promise<void> {
  await writeFile(join(folder, 'passback-events.dll'), messageDll(eventMessages()));
  for (const file of FOR_ADMINS) {
    await copyFile(join(root, 'service/windows', file), join(folder, file));
  }
}
