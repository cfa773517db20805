import { stat } from 'node:fs/promises';

/**
 * Where this is root and a state folder belongs to somebody else, makes this process that account,
 * for good: what it writes from now on belongs to whoever will run the agent, and no trick with the
 * folder can make root write elsewhere. Anybody else, and a folder that is not there yet, stay as
 * they are.
 */
export async function becomeOwner(folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const found = await stat(folder).catch(() => undefined); // whoever makes it next says what is wrong
  if (found === undefined || found.uid === 0) return;
  process.setgroups?.([found.gid]);
  process.setgid?.(found.gid);
  process.setuid?.(found.uid);
}
