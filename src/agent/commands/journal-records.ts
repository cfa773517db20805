import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { PasswordMetadata } from '../../protocol/account.ts';
import { OUTCOME_CODES } from '../../protocol/codes.ts';
import { Actor, By, Op } from '../../protocol/command.ts';
import { MustChange } from '../../protocol/outcome.ts';
import { CompactJws, HostName, Int64, Sha256, Timestamp, Uuid } from '../../protocol/shapes.ts';
import { parseJson } from '../../support/parse-json.ts';

const answered = {
  cmd: Uuid,
  jti: Uuid,
  digest: Sha256,
  code: z.enum(OUTCOME_CODES),
  seq: z.int().positive(),
  /** The signed outcome as it was (or will be) sent; it holds no secret. */
  jws: CompactJws,
};

/** Everything the journal can hold. No record has room for a secret. */
export const JournalRecord = z.discriminatedUnion('type', [
  /** First line: which life of this agent's journal this is, and after a compaction where it stood. */
  z.strictObject({
    type: z.literal('epoch'),
    epoch: Uuid,
    at: Timestamp,
    seq: z.int().nonnegative().optional(),
    head: Sha256.optional(),
    /** Operations whose time was over before this may have been forgotten. */
    floor: Timestamp.optional(),
  }),
  /**
   * A write is about to be sent; durable before its first byte leaves. It holds what the account
   * looked like on that controller, so that a lost answer can be found out, and whatever an
   * outcome needs to be signed without the command.
   */
  z.strictObject({
    type: z.literal('intent'),
    cmd: Uuid,
    jti: Uuid,
    digest: Sha256,
    token: Sha256,
    op: Op,
    by: By,
    actor: Actor,
    unlock: z.boolean(),
    mustChange: MustChange,
    /** The directory holds the password to the history. */
    historyEnforced: z.literal(true).optional(),
    objectGuid: Uuid,
    controller: HostName,
    /** The controller's own clock when it was asked; no earlier change can be this write. */
    controllerTime: Timestamp,
    pwdLastSet: Int64,
    lockoutTime: Int64,
    unicodePwd: PasswordMetadata.optional(),
    usnChanged: Int64.optional(),
    invocationId: Uuid.optional(),
    /** An earlier write of the same operation may have been made. */
    reapplied: z.literal(true).optional(),
    notAfter: Timestamp,
    at: Timestamp,
  }),
  /** What became of a write; durable before it is told. Final for its `cmd`. */
  z.strictObject({ type: z.literal('outcome'), ...answered, notAfter: Timestamp }),
  /** A dispatch that was turned away with nothing sent; final for its `jti` only. */
  z.strictObject({ type: z.literal('refusal'), ...answered, expires: Timestamp }),
  /** The newest writeback toggle. */
  z.strictObject({ type: z.literal('toggle'), version: z.int().positive(), jws: CompactJws }),
]);

export type JournalRecord = z.infer<typeof JournalRecord>;
export type Intent = Extract<JournalRecord, { type: 'intent' }>;
/** What is signed, and numbered. */
export type Signed = Extract<JournalRecord, { type: 'outcome' | 'refusal' }>;

/**
 * Throws a `TypeError` for a record that could not be read again: some of it is a directory's or a
 * service's word, and one such line would stop the next start.
 */
export function mustBeReadable(record: JournalRecord): void {
  if (JournalRecord.safeParse(record).success) return;
  throw new TypeError(`journal: a record of type ${record.type} has a value out of range`);
}

/** One line: CRC-32 of the JSON in eight hex digits, a space, the JSON, a newline. */
export function encodeRecord(record: JournalRecord): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

/** The record of a line without its newline; undefined when the line is damaged, or of a newer agent. */
export function decodeRecord(line: string): JournalRecord | undefined {
  return isWhole(line) ? JournalRecord.safeParse(parseJson(line.slice(9))).data : undefined;
}

/** Whether a line is as it was written, whatever it says. */
export function isWhole(line: string): boolean {
  return line.charAt(8) === ' ' && line.slice(0, 8) === checksum(line.slice(9));
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
