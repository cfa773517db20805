import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { decodeRecord } from '../../src/agent/commands/journal-records.ts';
import { openJournal } from '../../src/agent/commands/journal.ts';
import { outcome } from '../../src/agent/commands/outcomes.ts';
import { Trail, type Accepted } from '../../src/agent/commands/trail.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { makeKeyPair } from '../support/command-rig.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NOW = Date.UTC(2030, 0, 1);

/** A moment that the journal has no spelling for. */
const BEYOND = '+010000-01-01T00:00:00.000Z';

function accepted(notAfter = new Date(NOW).toISOString()): Accepted {
  const [digest, tokenHash] = ['d'.repeat(43), 't'.repeat(43)];
  const ids = { cmd: randomUUID(), jti: randomUUID(), op: 'unlock' as const };
  return { ...ids, digest, tokenHash, notAfter, expiresMs: NOW };
}

test('an outcome that the journal cannot keep leaves no gap between those before and after it', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'journal.jsonl');
  const now = (): number => NOW;
  await using journal = await openJournal({ path, now, uuid: randomUUID, log: new MemoryLog() });
  const device = await makeKeyPair('sig');
  const trail = new Trail({
    ...{ agentId: randomUUID(), directory: 'corp', device, journal, now },
    onUnasked: () => undefined,
  });
  const made = outcome('APPLIED', 1);
  const [first, refused, next] = await Promise.allSettled([
    trail.outcome(accepted(), made),
    trail.outcome(accepted(BEYOND), made),
    trail.outcome(accepted(), made),
  ]);
  expect([first.status, next.status]).toEqual(['fulfilled', 'fulfilled']);
  expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) as unknown });
  await trail.refusal(accepted(), outcome('PAUSED', 1));
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n').slice(1);
  let [seq, previous] = [0, sha256(journal.epoch)];
  for (const line of lines) {
    const record = decodeRecord(line);
    if (record?.type !== 'outcome' && record?.type !== 'refusal') throw new Error(line);
    seq += 1;
    expect(decodeJwt<OutcomeClaims>(record.jws).chain).toMatchObject({ seq, previous });
    previous = signedHash(record.jws);
  }
  expect([journal.seq, journal.head]).toEqual([3, previous]);
});
