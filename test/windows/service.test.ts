import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EVENTS } from '../../src/support/events.ts';
import { useLab } from '../lab/use-lab.ts';
import { startWindows, type WindowsLab } from '../lab/windows.ts';
import { windowsBundle } from '../lab/windows-bundle.ts';
import { eventually } from '../support/eventually.ts';
import { Api } from '../../scripts/chaos-run/api.ts';
import { Stack } from '../support/stack.ts';
import { CONFIG, DATA, PROGRAM, SECRET, WindowsAgent } from './windows-agent.ts';

// One machine's life, from the first command to the last: each test goes on where the one before ended.

const CYCLES = 25;

const lab = useLab();
let folder: string;
let stack: Stack;
let windows: WindowsLab;
let agent: WindowsAgent;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-windows-'));
  [stack, windows] = await Promise.all([
    Stack.prepare({ lab, folder }),
    windowsBundle(folder).then((program) => startWindows({ program, exchange: folder })),
  ]);
  // Its debug lines say when a command has been handed over.
  vi.stubEnv('PASSBACK_CLOUD_LOGGING_LEVEL', 'debug');
  await stack.startCloud();
  agent = new WindowsAgent(windows, stack);
}, 300_000); // the image of wine may have to be built

afterAll(async () => {
  await windows[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const INSTALL = ['service', 'install', '--config', CONFIG];

test('what somebody else has put there keeps the service from being installed', async () => {
  const [ours, theirs, linked] = ['ca.pem', 'State/old/key.json', 'linked'];
  await agent.plant([ours, theirs]);
  await agent.giveAway(theirs);
  const foreign = await agent.passback(INSTALL);
  expect(foreign.code).toBe(1);
  expect(foreign.stderr).toContain(`${DATA}\\State\\old\\key.json belongs to S-1-`);
  expect(foreign.stderr).toContain('/setowner "*S-1-5-32-544"');
  await agent.takeBack(theirs);

  await agent.nameTwice(ours, linked);
  const twice = await agent.passback(INSTALL);
  expect(twice.code).toBe(1);
  expect(twice.stderr).toContain('is also a file elsewhere (a hard link)');
  await agent.remove(linked);
  expect(await agent.state()).toMatchObject({ installed: false });
});

test('the service is installed, and installed again, and says what it is', async () => {
  const first = await agent.passback(INSTALL);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('is installed; it runs as NT SERVICE\\passback');
  // What was planted before was open to everybody, which wine keeps as the last bits of a file's mode.
  expect(await agent.openToOthers()).toEqual([]);
  const second = await agent.passback(INSTALL);
  expect(second).toMatchObject({ code: 0, stderr: '' });
  expect(second.stdout).toContain('was there and has been renewed');

  const status = await agent.passback(['service', 'status']);
  expect(status.code).toBe(1);
  expect(status.stdout).toContain('is stopped');
  expect(status.stdout).toContain(`"${PROGRAM}\\passback.js" run --service passback`);
});

test('a service keeps its configuration file unless one is given', async () => {
  const other = 'D:\\my own\\passback.yaml';
  await agent.passback(['service', 'install', '--config', other]);
  expect(await agent.passback(['service', 'install'])).toMatchObject({ code: 0, stderr: '' });
  const kept = await agent.passback(['service', 'status']);
  expect(kept.stdout).toContain(`--config "${other}"`);
  await agent.passback(INSTALL);
  const given = await agent.passback(['service', 'status']);
  expect(given.stdout).toContain(`--config ${CONFIG}`);
});

test('a service that is not ours is left alone', async () => {
  await windows.run(['sc.exe', 'create', 'other', 'binPath=', 'C:\\other.exe']);
  const answer = await agent.passback(['service', 'install', '--name', 'other', '-c', CONFIG]);
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain("exists already and is not Passback's (C:\\other.exe)");
  await windows.run(['sc.exe', 'delete', 'other']);
});

test('a configuration that is wrong stops the service with 78', async () => {
  await agent.configure({ concurrency: 'many' });
  await agent.sc('start');
  await agent.reaches('STOPPED');
  expect(await agent.state()).toMatchObject({ state: 'stopped', exitCode: 78 });
  const eventLog = await windows.eventLog();
  expect(eventLog).toContain('L"agent.failed"');
  expect(eventLog).toContain('concurrency: expected a number from 1 to 64');
});

test('a secret is protected from standard input and stands nowhere in the file', async () => {
  await agent.configure();
  const { password } = lab.serviceAccount;
  for (const scope of ['user', 'machine']) {
    const args = ['secret', 'protect', '--out', SECRET, '--scope', scope];
    expect(await agent.passback(args, `${password}\r\n`)).toMatchObject({ code: 0, stderr: '' });
    const file = await agent.file('directory.secret');
    expect(file).toMatch(new RegExp(`^passback-dpapi-1 ${scope}\n[A-Za-z0-9+/=\n]+$`));
    // Wine's stand-in encrypts; what Windows makes of it is Windows' own promise.
    expect(Buffer.from(file.split('\n').slice(1).join(''), 'base64')).not.toContain(password);
  }
  expect(await agent.passback(['config', 'check', '-c', CONFIG])).toMatchObject({ code: 0 });
});

test('it enrols, the service connects, and a password is reset', async () => {
  const tokenFile = join(folder, 'windows.token');
  expect(await stack.command(['token', '--out', tokenFile])).toMatchObject({ code: 0 });
  const enrolled = await agent.passback([
    ...['enroll', '--config', CONFIG, '--url', stack.url],
    ...['--token-file', 'X:\\windows.token', '--name', 'windows', '--json'],
  ]);
  expect(enrolled).toMatchObject({ code: 0, stderr: '' });
  const { agentId, fingerprint } = JSON.parse(enrolled.stdout) as Record<string, string>;

  await agent.sc('start');
  await agent.reaches('RUNNING');
  expect(await agent.state()).toMatchObject({ state: 'running', exitCode: 0 });
  const approve = ['agent', 'approve', agentId ?? '', '--fingerprint', fingerprint ?? ''];
  expect(await stack.command(approve)).toMatchObject({ code: 0 });
  await eventually(async () => {
    expect(await agent.names()).toContain('session.approved');
  });

  expect(await windows.eventLog()).toMatch(/L"session\.approved"/);

  const anna = lab.person('anna');
  const done = await stack.command(
    ['operate', 'reset', '--account', anna.upn],
    'Made-on-Windows-1\n',
  );
  expect(done).toMatchObject({ code: 0 });
  expect(await lab.kinit('anna', 'Made-on-Windows-1')).toBe('ok');
});

test('passback status reaches the service', async () => {
  const status = await agent.passback(['status', '--config', CONFIG]);
  expect(status.stdout).toContain('on Node.js v24');
  expect(status.code).toBe(0);
});

/** Has the agent told to stop while a frozen controller keeps an unlock from ending. Resolves with what became of it. */
async function unlockAndStop(
  stop: () => Promise<unknown>,
  isStopping: () => Promise<void>,
): Promise<unknown> {
  const api = await Api.open(stack, Number(new URL(stack.url).port));
  const { upn } = lab.person('ben');
  const prepared = await api.call('POST', 'prepare', { account: { name: upn }, op: 'unlock' });
  if (prepared.kind === 'lost') throw new Error('the operation was not prepared');
  const { operation } = prepared.json as { readonly operation: string };
  await lab.pauseController(0);
  const answer = api.call('PUT', `operations/${operation}`, {}, 14);
  try {
    await stack.cloud?.printed(new RegExp(`cloud.operation_dispatched.*${operation}`));
    await stop();
    await eventually(isStopping);
  } finally {
    await lab.unpauseController(0);
  }
  const became = await answer;
  api.close();
  return became;
}

const APPLIED = { kind: 'answer', json: { status: 'applied' } };

test('told to stop, it finishes what it has begun', async () => {
  const became = await unlockAndStop(
    () => agent.sc('stop'),
    async () => {
      expect(await agent.names()).toContain('agent.stopping');
    },
  );
  expect(became).toMatchObject(APPLIED);
  await agent.reaches('STOPPED');
  expect(await agent.state()).toMatchObject({ state: 'stopped', exitCode: 0 });
  const events = await agent.events();
  expect(events.find(({ event }) => event === 'agent.stopping')).toMatchObject({ signal: 'STOP' });
  expect(events.map(({ event }) => event).slice(-1)).toEqual(['agent.stopped']);
});

test('in the foreground it connects, resets a password, and finishes what it has begun at Ctrl-C', async () => {
  const foreground = agent.runInForeground();
  await eventually(async () => {
    expect(await foreground.log()).toContain('"session.approved"');
  }, 30_000);
  const anna = lab.person('anna');
  const reset = ['operate', 'reset', '--account', anna.upn];
  expect(await stack.command(reset, 'Made-in-the-Foreground-2\n')).toMatchObject({ code: 0 });
  expect(await lab.kinit('anna', 'Made-in-the-Foreground-2')).toBe('ok');

  const became = await unlockAndStop(foreground.interrupt, async () => {
    expect(await foreground.log()).toContain('"agent.stopping"');
  });
  expect(became).toMatchObject(APPLIED);
  expect(await foreground.ended).toBe(0);
  expect(await foreground.log()).toMatch(
    /"agent\.stopping".*"SIGINT"[^]*"agent\.stopped"[^\n]*\n$/,
  );
});

test(`it starts and stops ${CYCLES} times`, { timeout: 240_000 }, async () => {
  await agent.forgetLog();
  const cycles = await agent.cycle(CYCLES);
  expect(cycles.map(({ exitCode }) => exitCode)).toEqual(Array(CYCLES).fill(0));
  const names = await agent.names();
  for (const name of ['agent.started', 'agent.stopping', 'agent.stopped']) {
    expect(names.filter((event) => event === name)).toHaveLength(CYCLES);
  }
  await eventually(async () => {
    expect(await windows.sh('pgrep -c node.exe || true')).toBe('0');
  });
});

test('Windows finds the text of an event by its number', async () => {
  const text = await agent.script(`
    const kernel = koffi.load('kernel32.dll');
    const load = kernel.func('void *LoadLibraryExW(str16 file, void *no, uint32 flags)');
    const format = kernel.func('uint32 FormatMessageW(uint32 flags, void *from, uint32 id, uint32 language, void *text, uint32 size, void *words)');
    const words = Buffer.alloc(16);
    const held = ['reset.applied', 'account: anna'].map((word) => Buffer.from(word + '\\0', 'utf16le'));
    held.forEach((word, index) => words.writeBigUInt64LE(koffi.address(word), index * 8));
    const dll = load(${JSON.stringify(`${PROGRAM}\\passback-events.dll`)}, null, 2);
    const text = Buffer.alloc(4096);
    const length = format(0x2800, dll, ${EVENTS['reset.applied']}, 0, text, 2048, words);
    console.log(text.toString('utf16le', 0, length * 2));
  `);
  expect(text).toContain('What to do: ');
  expect(text).toContain('Event: reset.applied\r\naccount: anna');
});

test('only the service control manager starts it as a service', async () => {
  const answer = await agent.passback(['run', '--service', 'passback', '--config', CONFIG]);
  expect(answer.code).toBe(1);
  expect(answer.stderr).toContain('--service is for the service control manager');
});

test('the service is removed, and removed again', async () => {
  await agent.sc('start');
  await agent.reaches('RUNNING');
  const first = await agent.passback(['service', 'uninstall']);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('is removed');
  const second = await agent.passback(['service', 'uninstall']);
  expect(second).toMatchObject({ code: 0 });
  expect(second.stdout).toContain('nothing to do');
  expect(await agent.state()).toEqual({ name: 'passback', installed: false });
});
