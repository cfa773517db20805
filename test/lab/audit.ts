import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { docker } from './docker.ts';

const AUDIT_LOG = '/var/log/samba/passwords.json';

/** The DNs, in lower case, one for each password this controller itself has written since the last reset. */
export async function writtenPasswords(containerId: string): Promise<readonly string[]> {
  const text = await fetchLog(containerId);
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => passwordWrite(JSON.parse(line)))
    .filter((dn) => dn !== undefined);
}

// By `docker cp`, which also reads from a controller that is stopped.
async function fetchLog(containerId: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'passback-audit-'));
  try {
    const copy = join(directory, 'passwords.json');
    await docker(['cp', '--quiet', `${containerId}:${AUDIT_LOG}`, copy]);
    return await readFile(copy, 'utf8');
  } finally {
    await rm(directory, { recursive: true });
  }
}

function passwordWrite(line: unknown): string | undefined {
  if (typeof line !== 'object' || line === null || !('passwordChange' in line)) return undefined;
  const event = line.passwordChange;
  if (typeof event !== 'object' || event === null) return undefined;
  if (!('statusCode' in event) || event.statusCode !== 0) return undefined;
  return 'dn' in event && typeof event.dn === 'string' ? event.dn.toLowerCase() : undefined;
}
