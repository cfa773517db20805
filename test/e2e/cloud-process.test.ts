import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { dataFolder } from '../../src/cloud/data-folder.ts';
import { openSqliteStore } from '../../src/cloud/store/sqlite.ts';
import { NotifyListener } from '../support/notify-listener.ts';
import { Program, runProgram } from '../support/program.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa } from '../support/test-ca.ts';

let folder: TemporaryFolder;
let data: string;
const started: Program[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  data = join(folder.path, 'data');
  const tls = await (await createTestCa()).issue(['127.0.0.1']);
  const [cert, key] = [join(folder.path, 'cert.pem'), join(folder.path, 'key.pem')];
  await writeFile(cert, tls.cert);
  await writeFile(key, tls.key, { mode: 0o600 });
  await writeFile(join(folder.path, 'ca.pem'), tls.ca);
  const init = ['init', '--url', 'https://reset.example', '--data', data, '--port', '0'];
  const made = await runProgram('cloud', [...init, '--cert', cert, '--key', key]);
  expect(made).toMatchObject({ code: 0, stderr: '' });
});

afterEach(async () => {
  for (const program of started.splice(0)) await program[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function serve(): Promise<{ program: Program; address: string }> {
  const program = new Program('cloud', ['serve', '--data', data]);
  started.push(program);
  const [, address = ''] = await program.printed(/"address":"(https:[^"]+)"/);
  return { program, address };
}

test('the service drains and ends with 0 when it is told to stop', async () => {
  const { program } = await serve();
  const ended = await program.stop();
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  for (const event of ['cloud.started', 'cloud.stopping', 'cloud.stopped']) {
    expect(ended.stdout).toContain(`"event":"${event}"`);
  }
});

test.skipIf(process.platform !== 'linux')(
  'systemd hears that the service is up, how it is, that it gets on, and that it stops',
  async () => {
    const socket = join(folder.path, 'notify');
    using systemd = new NotifyListener(socket);
    vi.stubEnv('NOTIFY_SOCKET', socket);
    vi.stubEnv('WATCHDOG_USEC', '300000');
    const { program } = await serve();
    await systemd.hears(/^READY=1\nWATCHDOG=1\nSTATUS=ready, 0 agents connected/);
    await systemd.hears(/^WATCHDOG=1\nSTATUS=ready/);
    expect((await program.stop()).code).toBe(0);
    const heard = await systemd.hears(
      /^STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nWATCHDOG=1\nSTATUS=stopping/,
    );
    expect(heard.filter((news) => news.startsWith('READY'))).toHaveLength(1);
  },
);

test('a second service on the same data folder is refused, and the first one goes on', async () => {
  const { program } = await serve();
  const second = await runProgram('cloud', ['serve', '--data', data]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('another passback-cloud is running');
  expect(await program.stop()).toMatchObject({ code: 0 });
});

test('killed at any moment it starts again on the same folder, with all that was done', async () => {
  const first = await serve();
  expect(await runProgram('cloud', ['directory', 'add', 'corp', '--data', data])).toMatchObject({
    code: 0,
  });
  expect(await first.program.stop('SIGKILL')).not.toMatchObject({ code: 0 });
  const { program, address } = await serve();
  const key = join(folder.path, 'key');
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'status', '--actor', 'anna'];
  await runProgram('cloud', [...add, '--out', key, '--data', data]);
  const flags = ['--url', address, '--key-file', key, '--ca', join(folder.path, 'ca.pem')];
  const status = await runProgram('cloud', ['status', '--directory', 'corp', '--json', ...flags]);
  expect(status).toMatchObject({ code: 2, stderr: '' });
  expect(JSON.parse(status.stdout)).toMatchObject({
    connectivity: 'not-configured',
    writeback: { enabled: true, version: 1 },
  });
  expect(await program.stop()).toMatchObject({ code: 0 });
});

test('configuration and keys that cannot be used end with 78 and say what to do', async () => {
  await writeFile(dataFolder(data).config, 'url: ftp://nowhere\nlisten: { port: -1 }\n');
  const config = await runProgram('cloud', ['serve', '--data', data]);
  expect(config.code).toBe(78);
  expect(config.stderr).toMatch(/url: .*\n.*listen\.port: /);
  await writeFile(dataFolder(data).config, 'url: https://moved.example\nlisten: { port: 0 }\n');
  const keys = await runProgram('cloud', ['serve', '--data', data]);
  expect(keys.code).toBe(78);
  expect(keys.stderr).toContain('https://moved.example');
});

test('the database holds no key in clear', async () => {
  await runProgram('cloud', ['directory', 'add', 'corp', '--data', data]);
  const key = join(folder.path, 'key');
  const add = ['key', 'add', '--directory', 'corp', '--scopes', 'admin', '--actor', 'anna'];
  await runProgram('cloud', [...add, '--out', key, '--data', data]);
  await using store = await openSqliteStore(dataFolder(data).database);
  const page = await store.audit.page('corp', 10);
  expect(page.entries.map(({ action }) => action)).toEqual(['key.created', 'directory.added']);
  expect(JSON.stringify(page)).not.toContain('pbk_');
});
