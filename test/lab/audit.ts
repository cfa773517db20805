import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAuditLog, type AuditedWrite, type PasswordAudit } from './audit-log.ts';
import { docker } from './docker.ts';

/** Where test/lab/controller/global.conf has the controller write it. */
const LOG = '/lab/audit.jsonl';
/** A write that is under way ends within moments; one that was cut off never does. */
const END_WITHIN_MS = 3_000;
const AGAIN_MS = 100;

/**
 * Each password that this controller itself has written since the last reset: from its own audit log,
 * so that what came by replication does not count. Works on a stopped one too.
 */
export async function readAudit(containerId: string): Promise<PasswordAudit> {
  const deadline = Date.now() + END_WITHIN_MS;
  for (;;) {
    const audit = readAuditLog(await fetchLog(containerId));
    if (audit.unended.length === 0 || Date.now() > deadline) return audit;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** The same for whoever needs all of it: rejects when there may be writes that the log does not tell. */
export async function writtenPasswords(containerId: string): Promise<readonly AuditedWrite[]> {
  const { writes, unended, unreadable } = await readAudit(containerId);
  const gaps = [
    ...unended.map(({ dn, at }) => `no end of the write of ${dn} at ${new Date(at).toISOString()}`),
    ...unreadable.map((piece) => `unreadable: ${piece}`),
  ];
  if (gaps.length > 0) throw new Error(`the audit log has gaps:\n${gaps.join('\n')}`);
  return writes;
}

async function fetchLog(containerId: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'passback-audit-'));
  try {
    const copy = join(folder, 'audit.jsonl');
    await docker(['cp', `${containerId}:${LOG}`, copy]);
    return await readFile(copy, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
