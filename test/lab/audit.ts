import { docker } from './docker.ts';

/**
 * The DNs, in lower case, one for each password this controller itself has written since the last reset:
 * from its own audit log, so that what came by replication does not count. Works on a stopped one too.
 */
export async function writtenPasswords(containerId: string): Promise<readonly string[]> {
  const events = (await docker(['logs', containerId]))
    .split('\n')
    .filter((line) => line.startsWith('{"'))
    .map((line): unknown => JSON.parse(line));
  return events
    .slice(events.findLastIndex(isReset) + 1)
    .map(writtenDn)
    .filter((dn) => dn !== undefined);
}

function isReset(event: unknown): boolean {
  return (
    typeof event === 'object' && event !== null && 'type' in event && event.type === 'labReset'
  );
}

function writtenDn(line: unknown): string | undefined {
  if (typeof line !== 'object' || line === null || !('passwordChange' in line)) return undefined;
  const event = line.passwordChange;
  if (typeof event !== 'object' || event === null) return undefined;
  if (!('statusCode' in event) || event.statusCode !== 0) return undefined;
  return 'dn' in event && typeof event.dn === 'string' ? event.dn.toLowerCase() : undefined;
}
