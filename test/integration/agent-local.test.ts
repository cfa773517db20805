import { once } from 'node:events';
import { chmod, lstat, symlink, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryError } from '../../src/agent/directory/directory.ts';
import type { StatusClaims, StatusReport } from '../../src/protocol/status.ts';
import type { LocalStatus } from '../../src/agent/health/local-status.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { freePort } from '../support/free-port.ts';
import { passback as runPassback, type Ran } from '../support/run-passback.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let directory: FakeDirectory;
let service: ScriptedService;
let agent: StartedAgent;
let port: number;

beforeEach(async () => {
  directory = new FakeDirectory();
  directory.add({ sam: 'ann', password: 'Old-Password-1' });
  service = await ScriptedService.start();
  port = await freePort();
  agent = await StartedAgent.enroll(service, { directory, health: { port } });
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

interface Answer {
  readonly code: number | undefined;
  readonly body: string;
}

async function ask(
  path: string,
  options: { readonly method?: string; readonly host?: string; readonly socket?: string } = {},
): Promise<Answer> {
  const { method = 'GET', host = `127.0.0.1:${port}`, socket } = options;
  const where = socket === undefined ? { host: '127.0.0.1', port } : { socketPath: socket };
  const asking = request({ ...where, path, method, headers: { host }, agent: false });
  asking.end();
  const [response] = (await once(asking, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { code: response.statusCode, body };
}

/** A command line against the running agent. */
function passback(...args: readonly string[]): Promise<Ran> {
  return runPassback([...args, '--state-folder', agent.stateFolder]);
}

async function start(): Promise<void> {
  agent.start();
  await eventually(async () => {
    expect(await ask('/readyz')).toEqual({ code: 200, body: 'ok\n' });
  });
}

/** What the service has heard in this session. */
function reported(): readonly StatusReport[] {
  return service.session.statements.map((jws) => decodeJwt<StatusClaims>(jws).report);
}

test('a healthy agent is alive and ready, and says how it is, in numbers and in words', async () => {
  await start();
  expect(await ask('/livez')).toEqual({ code: 200, body: 'ok\n' });
  const metrics = (await ask('/metrics')).body;
  expect(metrics).toContain('passback_link_up 1');
  expect(metrics).toContain('passback_link_sessions_total 1');
  expect(metrics).toContain('passback_directory_up{controller="dc1.corp.test"} 1');
  expect(metrics).toContain('passback_writeback_state{state="running"} 1');
  expect(metrics).toContain('process_resident_memory_bytes');
  await eventually(async () => {
    const status = JSON.parse((await ask('/status.json')).body) as LocalStatus;
    expect(status).toMatchObject({
      notReady: [],
      stuck: [],
      link: { state: 'ready' },
      status: { state: 'running', rights: { resetPassword: 'granted' } },
    });
  });
  const { out, code } = await passback('status');
  expect(code).toBe(0);
  expect(out).toMatch(/^Writeback: running\nLink: +connected to https:\/\/\S+ since /);
  expect(out).toMatch(/dc1\.corp\.test +yes/);
  expect(out).toContain('breaker: closed');
  expect(out).not.toContain('\u001b');
});

test.each([
  ['a name of somebody else', { host: 'evil.example:80' }, 421],
  ['another address', { host: '10.0.0.1' }, 421],
  ['localhost', { host: 'localhost' }, 200],
  ['the IPv6 loopback', { host: '[::1]:9464' }, 200],
  ['a write', { method: 'POST' }, 405],
])('asked with %s, the port answers %o with %i', async (_what, options, code) => {
  await start();
  expect((await ask('/livez', options)).code).toBe(code);
  expect((await ask('/refresh', { ...options, method: 'POST' })).code).not.toBe(200);
});

test('a controller that stops is said by everybody within one probe, and nothing else flips', async () => {
  await start();
  const before = JSON.parse((await ask('/status.json')).body) as LocalStatus;
  directory.setHealth({ reachable: false, bound: false, problem: 'dc1.corp.test: refused' });
  await probeNow();
  await eventually(async () => {
    const { code, body } = await ask('/readyz');
    expect(code).toBe(503);
    expect(body).toContain('no domain controller can be used\n');
    expect(body).toContain('dc1.corp.test: refused\n');
  });
  await eventually(() => {
    expect(reported().at(-1)).toMatchObject({
      state: 'down',
      reasons: ['no domain controller can be used', 'dc1.corp.test: refused'],
    });
  });
  const { out, code } = await passback('status');
  expect(code).toBe(3);
  expect(out).toMatch(/^Writeback: down \(not ready\)\n {2}- no domain controller can be used\n/);
  expect(out).toMatch(/dc1\.corp\.test +unreachable/);
  expect((await ask('/livez')).code).toBe(200);
  const after = JSON.parse((await ask('/status.json')).body) as LocalStatus;
  expect(after.link).toEqual(before.link);
  expect(after.status.rights).toEqual(before.status.rights);

  directory.setHealth({});
  await eventually(async () => {
    expect((await ask('/readyz')).code).toBe(200);
  }, 10_000);
  await eventually(() => {
    expect(reported().at(-1)).toMatchObject({ state: 'running', reasons: [] });
  });
});

/** What a command that finds a controller silent brings about, without waiting for the minute. */
async function probeNow(): Promise<void> {
  directory.failNext('read', new DirectoryError('DIRECTORY_UNREACHABLE', 'dc1: refused'));
  await service.inspect({ account: { name: 'ann@corp.test' }, op: 'reset' });
}

test('a pause is taken at once and shown on both sides, and so is its end', async () => {
  await start();
  const paused = await passback('pause', '--reason', 'moving house');
  expect(paused.out).toContain('The running agent has taken it');
  await eventually(() => {
    expect(reported().at(-1)?.state).toBe('paused');
  });
  expect(await ask('/readyz')).toMatchObject({
    code: 503,
    body: expect.stringMatching(/^paused at the agent since \S+: moving house\n$/) as string,
  });
  const { out, code } = await passback('status');
  expect([code, out]).toEqual([
    3,
    expect.stringMatching(/Pause: +since \S+, until passback resume: moving house/),
  ]);
  expect(JSON.parse((await passback('resume', '--json')).out)).toMatchObject({
    paused: false,
    taken: true,
  });
  await eventually(() => {
    expect(reported().at(-1)?.state).toBe('running');
  });
});

test('an order that the agent which answers has not taken is no success', async () => {
  await start();
  await using other = await temporaryFolder();
  await symlink(join(agent.stateFolder, 'control.sock'), join(other.path, 'control.sock'));
  const asked = ['pause', '--reason', 'moving house', '--state-folder', other.path];
  expect(await runPassback(asked)).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/is NOT paused and goes on writing: its stateFolder is/) as string,
  });
  await passback('pause', '--reason', 'moving house');
  expect(await runPassback(['resume', '--state-folder', other.path])).toMatchObject({
    code: 1,
    err: expect.stringContaining('stays paused') as string,
  });
});

test('without a session the agent is alive, not ready, and says what it tries', async () => {
  await start();
  await service[Symbol.asyncDispose]();
  await eventually(async () => {
    const { code, body } = await ask('/readyz');
    expect(code).toBe(503);
    expect(body).toMatch(
      /^no session with the reset service at https:\S+ since \S+Z: .*; it is tried again at \S+Z\n$/,
    );
  });
  expect((await ask('/livez')).code).toBe(200);
  await eventually(async () => {
    expect(await passback('status')).toMatchObject({
      code: 3,
      out: expect.stringMatching(
        /Link: +waiting since .*\n +last failure .*\n +next try /,
      ) as string,
    });
  });
});

test('where no agent runs, the command line says so and how to start one', async () => {
  expect(await passback('status')).toMatchObject({
    code: 1,
    err: expect.stringMatching(/no agent is running here.*passback run/) as string,
  });
  expect((await passback('pause', '--reason', 'x')).out).toContain('No agent is running here');
});

test('a socket that a killed agent has left is replaced; anything else there is left alone', async () => {
  const socket = join(agent.stateFolder, 'control.sock');
  const leave = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', leave]);
  expect((await lstat(socket)).isSocket()).toBe(true);
  await start();
  expect((await passback('status')).code).toBe(0);
  expect((await lstat(socket)).mode & 0o777).toBe(0o660);
  await agent.stop();
  await expect(lstat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
  await writeFile(socket, 'mine');
  await chmod(socket, 0o600);
  await start();
  expect(agent.log.of('health.not_listening')).toMatchObject([
    { fields: { at: socket, reason: expect.stringContaining('no socket') as string } },
  ]);
});

test('a socket that somebody answers at is not taken away', async () => {
  const socket = join(agent.stateFolder, 'control.sock');
  const other = createServer((connection) => connection.destroy()).listen(socket);
  await once(other, 'listening');
  await start();
  expect(agent.log.of('health.not_listening')).toMatchObject([
    { fields: { at: socket, reason: 'another agent answers there' } },
  ]);
  expect((await passback('status')).err).toContain('does not answer');
  other.close();
});

test('a port that is in use costs the port and nothing else', async () => {
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  agent.start();
  await eventually(() => agent.ready);
  await eventually(async () => {
    expect((await passback('status')).code).toBe(0);
  });
  expect(agent.log.of('health.not_listening')).toMatchObject([
    {
      fields: {
        at: `http://127.0.0.1:${port}`,
        reason: expect.stringContaining('EADDRINUSE') as string,
      },
    },
  ]);
  other.close();
});
