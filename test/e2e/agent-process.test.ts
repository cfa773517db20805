import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { OPERATION_LIFETIME_MS, START_WITHIN_MS } from '../../src/protocol/command.ts';
import { timestamp } from '../../src/protocol/shapes.ts';
import { eventually } from '../support/eventually.ts';
import { NotifyListener } from '../support/notify-listener.ts';
import { Program, runProgram } from '../support/program.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { searchSecrets } from '../support/search-secrets.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const BIND_PASSWORD = 'Planted-Bind-Password-1';

let folder: TemporaryFolder;
let service: ScriptedService;
let config: string;
/** A domain controller that takes connections and says nothing. */
let silence: Server;
const held = new Set<Socket>();
let connections = 0;
const started: Program[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  service = await ScriptedService.start();
  connections = 0;
  silence = createServer((socket) => {
    connections += 1;
    held.add(socket.on('error', () => undefined).once('close', () => held.delete(socket)));
  });
  silence.listen(0, '127.0.0.1');
  await once(silence, 'listening');
  const at = (name: string): string => join(folder.path, name);
  config = at('passback.yaml');
  await writeFile(at('ca.pem'), service.ca);
  await writeFile(at('bind'), BIND_PASSWORD, { mode: 0o600 });
  await writeFile(at('token'), service.enrollmentToken());
  const { port } = silence.address() as AddressInfo;
  await writeFile(
    config,
    stringify({
      service: { caFile: at('ca.pem'), noProxy: ['*'] }, // whatever the environment says
      directory: {
        domain: 'corp.test',
        domainControllers: [{ name: 'dc1.corp.test', address: '127.0.0.1', port }],
        bind: { user: 'svc@corp.test', passwordFile: at('bind') },
      },
      guard: { baseDns: ['OU=People,DC=corp,DC=test'] },
      stateFolder: at('state'),
      drainMs: 20_000,
    }),
  );
  const enrolled = await runProgram('agent', [
    ...['enroll', '--url', service.url, '--token-file', at('token'), '--config', config],
  ]);
  expect(enrolled).toMatchObject({ code: 0, stderr: '' });
});

afterEach(async () => {
  for (const program of started.splice(0)) await program[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
  for (const socket of held) socket.destroy();
  silence.close();
  await folder[Symbol.asyncDispose]();
});

function run(): Program {
  const program = new Program('agent', ['run', '--config', config]);
  started.push(program);
  return program;
}

async function runUntilUp(): Promise<Program> {
  const program = run();
  await program.printed(/"link.up"/);
  return program;
}

/** Hands the agent a command that its silent domain controller keeps from ending. */
function handOver(): Promise<unknown> {
  const answered = service.execute({
    ...service.envelope(),
    cmd: randomUUID(),
    op: 'unlock',
    account: { objectGuid: randomUUID() },
    signedAt: timestamp(Date.now()),
    notAfter: timestamp(Date.now() + OPERATION_LIFETIME_MS),
    startWithinMs: START_WITHIN_MS,
    monotonicMs: service.session.agentMonotonicMs(),
    unlock: true,
    mustChange: false,
    attempts: [],
  });
  return answered.catch((error: unknown) => error);
}

test.skipIf(process.getuid?.() !== 0)(
  'enrolled by root, the state belongs to the account that its folder belongs to',
  async () => {
    const [state, token] = [join(folder.path, 'theirs'), join(folder.path, 'second-token')];
    await mkdir(state, { mode: 0o700 });
    await chown(state, 12_345, 23_456);
    await chmod(folder.path, 0o711);
    await writeFile(token, service.enrollmentToken(), { mode: 0o600 }); // root's own
    const to = ['--url', service.url, '--token-file', token];
    const enrolled = await runProgram('agent', [
      ...['enroll', ...to, '--config', config, '--state-folder', state],
    ]);
    expect(enrolled).toMatchObject({ code: 0, stderr: '' });
    const files = await readdir(state);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      expect(await stat(join(state, file))).toMatchObject({ uid: 12_345, gid: 23_456 });
    }
  },
);

test('the first SIGTERM drains: goodbye, exit code 0', async () => {
  const agent = await runUntilUp();
  const ended = await agent.stop('SIGTERM');
  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain('"agent.stopped"');
  await eventually(() => service.session.goodbye !== undefined);
});

test.skipIf(process.platform !== 'linux')(
  'systemd hears that it is up, how it is, that it gets on, and that it stops',
  async () => {
    const socket = join(folder.path, 'notify');
    using systemd = new NotifyListener(socket);
    vi.stubEnv('NOTIFY_SOCKET', socket);
    vi.stubEnv('WATCHDOG_USEC', '300000');
    const agent = run();
    await systemd.hears(/^READY=1\nWATCHDOG=1\nSTATUS=./);
    await systemd.hears(/^WATCHDOG=1\nSTATUS=down: .*no domain controller/);
    expect((await agent.stop('SIGTERM')).code).toBe(0);
    const heard = await systemd.hears(
      /^STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nWATCHDOG=1\nSTATUS=stopping/,
    );
    expect(heard.filter((news) => news.startsWith('READY'))).toHaveLength(1);
  },
);

test('SIGTERM before the link is up ends it as well', async () => {
  const agent = run();
  await agent.printed(/"agent.started"/);
  expect((await agent.stop('SIGTERM')).code).toBe(0);
});

test('a second signal drops what is in flight: exit code 1, at once', async () => {
  const agent = await runUntilUp();
  await eventually(() => connections > 0); // the first look at the domain controller
  const before = connections;
  const answered = handOver();
  await eventually(() => connections > before); // and the command's own connection
  const began = performance.now();
  agent.process.kill('SIGTERM');
  await agent.printed(/"agent.stopping"/);
  const ended = await agent.stop('SIGINT');
  expect(ended.code).toBe(1);
  expect(performance.now() - began).toBeLessThan(2_000);
  await answered;
});

test('a killed agent starts again on the same state folder, while a living one keeps it', async () => {
  const first = await runUntilUp();
  const second = await run().ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toContain(`process ${first.process.pid ?? 0}`);
  await first.stop('SIGKILL');
  await runUntilUp();
  expect(service.sessions).toHaveLength(2);
});

test('an agent whose domain controllers are silent stays up and says so in words', async () => {
  await runUntilUp();
  await eventually(() => {
    const [report = ''] = service.session.statements
      .slice(-1)
      .map((jws) => Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
    expect(report).toContain('"state":"down"');
    expect(report).toContain('no domain controller can be used');
  }, 25_000);
});

test('bad configuration ends with 78, so that a service manager does not try again', async () => {
  await writeFile(config, 'drainMs: soon');
  const ended = await run().ended;
  expect(ended.code).toBe(78);
  expect(ended.stderr).toContain('drainMs');
});

test('the password of the service account is in no output and in no file of the state folder', async () => {
  const agent = await runUntilUp();
  await eventually(() => connections > 0);
  await agent.stop('SIGTERM');
  const password = BIND_PASSWORD;
  const found = await searchSecrets({ password }, [
    join(folder.path, 'state'),
    { name: 'output', content: agent.output },
  ]);
  expect(found).toEqual([]);
  expect(await searchSecrets({ password }, [join(folder.path, 'bind')])).not.toEqual([]);
});
