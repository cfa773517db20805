import { z } from 'zod';
import { docker } from './docker.ts';

/** One password that a controller has written. */
export interface AuditedWrite {
  /** In lower case. */
  readonly dn: string;
  /** Who wrote it. The administrator's ends in -500 in every domain (MS-DTYP 2.4.2.4). */
  readonly bySid: string;
  /** By the controller's clock, epoch milliseconds. */
  readonly at: number;
}

/**
 * Each password this controller itself has written since the last reset, in order: from its own
 * audit log, so that what came by replication does not count. Works on a stopped one too.
 */
export async function writtenPasswords(containerId: string): Promise<readonly AuditedWrite[]> {
  const events = (await docker(['logs', containerId]))
    .split('\n')
    .filter((line) => line.startsWith('{"'))
    .map((line): unknown => JSON.parse(line));
  const committed = new Set(events.map(toCommit));
  return events
    .slice(events.findLastIndex(isReset) + 1)
    .map((event) => toWrite(event, committed))
    .filter((write) => write !== undefined);
}

function isReset(event: unknown): boolean {
  return (
    typeof event === 'object' && event !== null && 'type' in event && event.type === 'labReset'
  );
}

const PasswordChange = z.object({
  timestamp: z.string(),
  passwordChange: z.object({
    statusCode: z.literal(0),
    userSid: z.string(),
    dn: z.string(),
    transactionId: z.string(),
  }),
});

const Commit = z.object({
  dsdbTransaction: z.object({ action: z.literal('commit'), transactionId: z.string() }),
});

function toCommit(line: unknown): string | undefined {
  return Commit.safeParse(line).data?.dsdbTransaction.transactionId;
}

/** Undefined for a write that was refused or never committed, and for lines about something else. */
function toWrite(
  line: unknown,
  committed: ReadonlySet<string | undefined>,
): AuditedWrite | undefined {
  const parsed = PasswordChange.safeParse(line);
  if (!parsed.success) return undefined;
  const { timestamp, passwordChange } = parsed.data;
  const { dn, userSid, transactionId } = passwordChange;
  if (!committed.has(transactionId)) return undefined;
  return { dn: dn.toLowerCase(), bySid: userSid, at: Date.parse(timestamp) };
}
