import { chmod, cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Recording } from '../../scripts/versions/record.ts';
import { readTrips } from '../../src/agent/commands/guard/breaker-file.ts';
import { readOrders } from '../../src/agent/commands/guard/local-orders.ts';
import { openJournal } from '../../src/agent/commands/journal.ts';
import { loadConfig as loadAgentConfig } from '../../src/agent/config/load-config.ts';
import { loadIdentity } from '../../src/agent/identity/load-identity.ts';
import { STATE_STEPS } from '../../src/agent/identity/state-version.ts';
import { loadConfig as loadCloudConfig } from '../../src/cloud/config/load-config.ts';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { KeyFolder } from '../../src/cloud/keys/key-folder.ts';
import { loadServiceKeys } from '../../src/cloud/keys/service-keys.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import { systemClock } from '../../src/support/clock.ts';
import { bringForward } from '../../src/support/folder-version.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa } from '../support/test-ca.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const VERSIONS = (await readdir(FIXTURES)).filter((name) => name.startsWith('v'));

test('there is a recording of the first version', () => {
  expect(VERSIONS).toContain('v0.1');
});

describe.each(VERSIONS)('what %s has left', (version) => {
  let folder: TemporaryFolder;
  let recording: Recording;

  beforeEach(async () => {
    folder = await temporaryFolder();
    await cp(join(FIXTURES, version), folder.path, { recursive: true });
    // A checkout has its own idea of modes.
    for (const name of ['state', 'data', 'data/keys']) await chmod(join(folder.path, name), 0o700);
    const text = await readFile(join(folder.path, 'recording.json'), 'utf8');
    recording = JSON.parse(text) as Recording;
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  test('the configuration of the agent is read', async () => {
    const { ca } = await createTestCa();
    const config = await loadAgentConfig({
      file: join(folder.path, 'passback.yaml'),
      env: {},
      readText: async (path) => {
        if (!path.startsWith('/recorded/')) return readFile(path, 'utf8');
        return path.endsWith('.pem') ? ca : 'a password';
      },
    });
    expect(config).toMatchObject({
      service: { urls: [recording.url], noProxy: ['*'] },
      directory: { domain: 'corp.test' },
      stateFolder: expect.stringMatching(/^\/recorded\//) as string,
    });
  });

  test('the state of the agent is brought forward, and nothing is forgotten', async () => {
    const state = join(folder.path, 'state');
    await bringForward(state, STATE_STEPS);
    const identity = await loadIdentity(state, systemClock);
    expect(identity).toMatchObject({ agentId: recording.agent, issuer: recording.url });
    expect(identity.device.kid).toBe(recording.fingerprint);
    expect(identity.sealing.currentKid).toMatch(/^[\w-]{43}$/);
    const log = new MemoryLog();
    const path = join(state, 'journal.jsonl');
    const now = (): number => recording.at;
    await using journal = await openJournal({ path, now, uuid: () => '', log });
    expect(log.of('journal.repaired')).toEqual([]);
    expect([...journal.begun()]).toMatchObject([
      { cmd: recording.done, code: 'APPLIED' },
      { cmd: recording.underWay },
    ]);
    expect(journal.openIntents.map(({ cmd }) => cmd)).toEqual([recording.underWay]);
    expect(journal.toggle).toBeDefined();
    expect(await readOrders(state)).toMatchObject({ content: { pause: { reason: 'recorded' } } });
    expect(await readTrips(state)).toEqual([]);
  });

  test('configuration, keys and database of the service are taken over', async () => {
    const data = dataFolder(join(folder.path, 'data'));
    const config = await loadCloudConfig(data.config, {});
    expect(config).toMatchObject({ url: recording.url, dataFolder: data.path });
    const keys = await loadServiceKeys(new KeyFolder(data.keys), config.url, recording.at);
    await using store = await openSqliteStore(data.database);
    expect(await store.agents.find(recording.agent)).toMatchObject({
      state: 'approved',
      deviceKey: { kid: recording.fingerprint },
    });
    expect(await store.operations.find(recording.done)).toMatchObject({ state: 'applied' });
    const underWay = await store.operations.find(recording.underWay);
    expect(underWay).toMatchObject({ state: 'pending', final: false });
    const purpose = `operation:${recording.underWay}`;
    expect(await keys.storage.unwrap(underWay?.secret ?? '', purpose)).toContain('"recipients"');
    const { entries } = await store.audit.page('corp', 100);
    expect(entries.map(({ action }) => action)).toContain('agent.approved');
  });
});
