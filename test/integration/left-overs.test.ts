import { randomUUID } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runAgent } from '../../src/agent/agent.ts';
import { rotateKeys } from '../../src/cloud/keys/create-keys.ts';
import { KeyFolder } from '../../src/cloud/keys/key-folder.ts';
import { systemClock } from '../../src/support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud } from '../support/start-cloud.ts';

/** What a process that was killed has left of writing `name`. */
async function leave(folder: string, name: string, ageMs = 0): Promise<string> {
  const left = `${name}.${randomUUID()}.tmp`;
  await writeFile(join(folder, left), '{');
  const at = new Date(Date.now() - ageMs);
  await utimes(join(folder, left), at, at);
  return left;
}

async function present(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const there = await readdir(folder);
  return names.filter((name) => there.includes(name));
}

const NOT_OURS = ['notes.tmp', 'sealing-keys.json.tmp', `photo.png.${randomUUID()}.tmp`];

async function leaveOthers(folder: string): Promise<void> {
  for (const name of NOT_OURS) await writeFile(join(folder, name), '');
}

test('what an agent was writing when it was killed is gone after its next start, and nothing else', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  const folder = agent.stateFolder;
  const names = ['sealing-keys.json', 'key-set.json', 'breaker.json', 'identity.json'];
  const left = await Promise.all(names.map((name) => leave(folder, name)));
  const ordered = await leave(folder, 'local-orders.json', 120_000);
  const beingOrdered = await leave(folder, 'local-orders.json'); // by `passback pause`, without the lock
  await leaveOthers(folder);
  agent.start();
  await eventually(() => agent.ready);
  const kept = [...NOT_OURS, beingOrdered];
  expect(await present(folder, [...left, ordered, ...kept])).toEqual(kept);
});

test('an agent that finds another one on its state folder deletes nothing there', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory: new FakeDirectory() });
  agent.start();
  await eventually(() => agent.ready);
  const writing = await leave(agent.stateFolder, 'sealing-keys.json');
  const never = new AbortController().signal;
  const second = runAgent(
    agent.config,
    { drain: never, abort: never },
    { log: new MemoryLog(), clock: systemClock },
  );
  await expect(second).rejects.toMatchObject({ code: 'STATE_LOCKED' });
  expect(await present(agent.stateFolder, [writing])).toEqual([writing]);
});

test('what was being written into the key folder is gone after the start of the service, unless it is new', async () => {
  await using cloud = await startTestCloud();
  await cloud.stop();
  const folder = cloud.folder.keys;
  const signing = `signing-${'k'.repeat(43)}.json`;
  const old = [
    await leave(folder, signing, 120_000),
    await leave(folder, 'key-set.json', 120_000),
    await leave(folder, 'root.json', 120_000),
  ];
  const beingWritten = await leave(folder, signing); // by `passback-cloud keys rotate`, beside the service
  await leaveOthers(folder);
  await cloud.start();
  const kept = [...NOT_OURS, beingWritten];
  expect(await present(folder, [...old, ...kept])).toEqual(kept);
  const { issuer } = cloud;
  await rotateKeys(new KeyFolder(folder), { issuer, now: Date.now() });
  expect(await present(folder, kept)).toEqual(NOT_OURS);
});
