import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openJournal } from '../../src/agent/commands/journal.ts';
import type { Duties } from '../../src/agent/health/schedule.ts';
import { systemClock } from '../../src/support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { REFUSAL } from '../support/journal-samples.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';

const DAY_MS = 86_400_000;

let aheadMs: number;
let service: ScriptedService;
let agent: StartedAgent;
/** What the agent has given the calendar to do. */
let duties: Duties;

beforeEach(async () => {
  aheadMs = 0;
  service = await ScriptedService.start();
  agent = await StartedAgent.enroll(service, {
    directory: new FakeDirectory(),
    clock: { ...systemClock, now: () => Date.now() + aheadMs },
    schedule: (given) => {
      duties = given;
      return { [Symbol.dispose]: () => {} };
    },
  });
  agent.start();
  await eventually(() => agent.ready);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

test('the duty of the keys replaces a sealing key that is a day old, and tells the service', async () => {
  const told = (): boolean => service.session.frames.some((frame) => frame.includes('agent.keys'));
  await duties.rotateKeys();
  expect([agent.log.of('keys.rotated').length, told()]).toEqual([0, false]);
  aheadMs = DAY_MS;
  await duties.rotateKeys();
  expect([agent.log.of('keys.rotated').length, told()]).toEqual([1, true]);
});

test('the duty of the journal compacts it by night, and by the hour only one that is large', async () => {
  await duties.compactJournal('hourly');
  expect(agent.log.of('journal.compacted')).toEqual([]);
  await duties.compactJournal('daily');
  expect(agent.log.of('journal.compacted')).toHaveLength(1);
  await agent.stop();
  const size = await grow(agent, 16 * 2 ** 20);
  agent.start();
  await eventually(() => agent.log.of('link.up').length === 2);
  await duties.compactJournal('hourly');
  expect(agent.log.of('journal.compacted')[1]).toMatchObject({ fields: { before: size } });
});

/** Turns away dispatches until the journal is larger than `bytes`; resolves with its size. */
async function grow({ stateFolder, log }: StartedAgent, bytes: number): Promise<number> {
  const path = join(stateFolder, 'journal.jsonl');
  await using journal = await openJournal({ path, now: Date.now, uuid: randomUUID, log });
  const jws = `aa.${'b'.repeat(48_000)}.cc`;
  while (journal.size <= bytes) {
    const from = journal.seq + 1;
    const many = Array.from({ length: 64 }, (_, i) => ({
      ...REFUSAL,
      jti: randomUUID(),
      seq: from + i,
      jws,
    }));
    await Promise.all(many.map((refusal) => journal.append(refusal)));
  }
  return journal.size;
}
