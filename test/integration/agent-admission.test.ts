import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../src/agent/cli/program.ts';
import { mustOwnState } from '../../src/agent/cli/state-owner.ts';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { CommandRig, OPEN_GUARD, type Order } from '../support/command-rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';

const HOUR = 3_600_000;

let clock: FakeClock;
let directory: FakeDirectory;
let ann: string;
let rig: CommandRig;

beforeEach(async () => {
  clock = new FakeClock(Date.now()); // the command line has the machine's
  directory = new FakeDirectory([], clock);
  ann = directory.add({ sam: 'ann', password: 'Old-Password-1' });
  rig = await CommandRig.open({ directory, clock });
});

afterEach(() => rig[Symbol.asyncDispose]());

/** The agent stopped and started again, with another guard where one is given. */
async function restart(guard: GuardSettings = OPEN_GUARD): Promise<void> {
  await rig.stop();
  rig = await CommandRig.open({ directory, clock, guard, after: rig });
}

function guard(changes: {
  readonly [K in keyof GuardSettings]?: Partial<GuardSettings[K]>;
}): GuardSettings {
  const { limits, breaker, ...rest } = changes;
  return {
    ...OPEN_GUARD,
    ...(rest as Partial<GuardSettings>),
    limits: { ...OPEN_GUARD.limits, ...limits },
    breaker: { ...OPEN_GUARD.breaker, ...breaker },
  };
}

/** `passback pause` or `passback resume` for this agent. */
async function passback(...args: string[]): Promise<{ out: string; err: string; code: number }> {
  const ran = { out: '', err: '', code: 0 };
  await runProgram([...args, '--state-folder', rig.folder], {
    env: {},
    print: (text) => (ran.out += text),
    complain: (text) => (ran.err += text),
    setExitCode: (code) => (ran.code = code),
    stopSignals: () => ({
      drain: new AbortController().signal,
      abort: new AbortController().signal,
    }),
  });
  return ran;
}

async function codeOf(order: Partial<Order> = {}): Promise<string> {
  return (await rig.order({ objectGuid: ann, op: 'unlock', ...order })).outcome.code;
}

function by(actor: string): Partial<Order> {
  return { claims: { actor } };
}

test('a pause holds from the next command on, and the operation is done once it is resumed', async () => {
  expect(await codeOf()).toBe('APPLIED');
  const ran = await passback('pause', '--reason', 'moving house');
  expect(ran).toMatchObject({ err: '', code: 0 });
  expect(ran.out).toMatch(/^The agent is paused until passback resume: moving house\nNo agent is/);
  const claims = await rig.claims({ objectGuid: ann, op: 'unlock' });
  const { outcome } = await rig.send(await signToken('command', claims, rig.keys.service));
  expect(outcome).toMatchObject({ code: 'PAUSED', retry: 'later' });
  expect(outcome.message).toMatch(
    /^paused at the agent since \d{4}-\S+Z, until somebody resumes it: moving house$/,
  );
  expect(outcome.action).toMatch(/^It was paused .* at \d{4}-\S+Z: .* run `passback resume` there/);
  expect(rig.log.of('writeback.paused_locally')).toMatchObject([
    { level: 'warn', fields: { reason: 'moving house' } },
  ]);
  expect(rig.log.of('writeback.paused_locally')[0]?.fields.by).toBeTruthy();
  expect((await passback('resume')).out).toMatch(/^The agent is not paused at this machine\.\n/);
  const again = { ...claims, jti: randomUUID() };
  expect((await rig.send(await signToken('command', again, rig.keys.service))).outcome.code).toBe(
    'APPLIED',
  );
  expect(rig.log.of('writeback.resumed_locally')).toHaveLength(1);
});

test('a pause made while the agent is stopped holds after its start, and after the next', async () => {
  await rig.stop();
  await passback('pause', '--reason', 'x');
  rig = await CommandRig.open({ directory, clock, after: rig });
  expect(await codeOf()).toBe('PAUSED');
  await restart();
  expect(await codeOf()).toBe('PAUSED');
  expect(rig.admission.pause?.reason).toBe('x');
});

test('a timed pause ends by itself, also over a restart', async () => {
  await passback('pause', '--reason', 'x', '--for', '1h30m');
  clock.advance(1.4 * HOUR);
  expect(await codeOf()).toBe('PAUSED');
  await restart();
  expect(await codeOf()).toBe('PAUSED');
  clock.advance(0.2 * HOUR);
  expect(await codeOf()).toBe('APPLIED');
});

test('the service cannot end a local pause, nor a local resume a pause of the service', async () => {
  await passback('pause', '--reason', 'x');
  await rig.toggle.offer(await rig.toggleStatement(1, true));
  expect(await codeOf()).toBe('PAUSED');
  await rig.toggle.offer(await rig.toggleStatement(2, false));
  await passback('resume');
  expect(await codeOf()).toBe('PAUSED');
  await rig.toggle.offer(await rig.toggleStatement(3, true));
  expect(await codeOf()).toBe('APPLIED');
});

test('pausing and resuming again changes nothing but what was said anew', async () => {
  const first = JSON.parse((await passback('pause', '--reason', 'x', '--json')).out) as object;
  const second = await passback('pause', '--reason', 'x', '--json');
  expect(JSON.parse(second.out)).toEqual(first);
  expect(first).toMatchObject({ paused: true, breaker: { open: false, stoppedActors: 0 } });
  const resumed = {
    paused: false,
    breaker: { open: false, stoppedActors: 0 },
    taken: false,
  };
  for (let i = 0; i < 2; i++) {
    expect(JSON.parse((await passback('resume', '--json')).out)).toEqual(resumed);
  }
});

test.each(['', '{', '{"pause":{}}', '{"paused":true}', '\u0000'])(
  'orders that cannot be read (%j) mean that nothing is written, until somebody gives new ones',
  async (text) => {
    await writeFile(join(rig.folder, 'local-orders.json'), text);
    expect(await codeOf()).toBe('PAUSED');
    expect(rig.admission.pause?.reason).toMatch(/local-orders\.json is damaged: .*passback resume/);
    await passback('resume');
    expect(await codeOf()).toBe('APPLIED');
  },
);

test.each([
  [['pause'], '--reason'],
  [['pause', '--reason', ' '], '--reason'],
  [['pause', '--reason', 'a\nb'], '--reason'],
  [['pause', '--reason', 'x', '--for', 'soon'], '--for'],
  [['pause', '--reason', 'x', '--for', ''], '--for'],
  [['pause', '--reason', 'x', '--for', '0m'], '--for'],
  [['pause', '--reason', 'x', '--for', '999d'], '--for'],
])('%j is refused with what is wrong, and pauses nothing', async (args, words) => {
  const ran = await passback(...args);
  expect(ran.code).toBe(1);
  expect(ran.err).toContain(words);
  expect(await codeOf()).toBe('APPLIED');
});

test.skipIf(process.platform === 'win32')(
  'any other account is told whom to be, and a folder that is not there what to name',
  async () => {
    const { uid } = await stat(rig.folder);
    await expect(mustOwnState(rig.folder, uid + 1)).rejects.toThrow(
      `(uid ${uid}, this is ${uid + 1}): run this as that account (sudo -u '#${uid}' …) or as root`,
    );
    await expect(mustOwnState(rig.folder, uid)).resolves.toBeUndefined();
    await expect(mustOwnState(rig.folder, 0)).resolves.toBeUndefined();
    await expect(mustOwnState('/nowhere')).rejects.toThrow('--state-folder');
  },
);

test('more than an account may have is refused without a look at the directory, and told until when', async () => {
  await restart(guard({ limits: { perAccount: 2 } }));
  expect([await codeOf(), await codeOf()]).toEqual(['APPLIED', 'APPLIED']);
  const [reads, writes] = [directory.reads, directory.writes];
  const { outcome } = await rig.order({ objectGuid: ann, op: 'unlock' });
  expect(outcome).toMatchObject({ status: 'refused', code: 'RATE_LIMITED', retry: 'later' });
  expect(outcome.message).toContain('the agent allows 2');
  expect(Date.parse(outcome.notBefore ?? '')).toBe(clock.now() + HOUR);
  expect([directory.reads, directory.writes]).toEqual([reads, writes]);
  clock.advance(HOUR);
  expect(await codeOf()).toBe('APPLIED');
});

test('limits and wrong old passwords are remembered over a restart', async () => {
  const settings = guard({ limits: { perAccount: 3, wrongPasswords: 1 } });
  await restart(settings);
  expect(await codeOf({ op: 'change', oldPassword: 'Not-it-1' })).toBe('WRONG_PASSWORD');
  expect(await codeOf()).toBe('APPLIED');
  clock.advance(HOUR / 2);
  await restart(settings);
  expect(await codeOf({ op: 'change', oldPassword: 'Not-it-1' })).toBe('RATE_LIMITED');
  expect(await codeOf()).toBe('RATE_LIMITED'); // the change that was not tried counts, too
  clock.advance(HOUR / 2);
  expect(await codeOf()).toBe('APPLIED');
});

test('a breaker whose opening a crash kept from the disk opens again', async () => {
  const settings = guard({ breaker: { perActor: 2, overall: 3 } });
  await restart(settings);
  for (const actor of ['a', 'b', 'c']) await codeOf(by(actor));
  await rig.stop();
  await rm(join(rig.folder, 'breaker.json'));
  rig = await CommandRig.open({ directory, clock, guard: settings, after: rig });
  expect(await codeOf(by('d'))).toBe('BREAKER_OPEN');
});

test('wrong old passwords end before the directory would lock the account', async () => {
  const locksAt = 3;
  directory.alter(ann, { policy: { source: 'domain', lockoutThreshold: locksAt } });
  const change = { op: 'change', oldPassword: 'Not-it-1' } as const;
  const codes = [];
  for (let i = 0; i < locksAt; i++) codes.push(await codeOf(change));
  expect(codes).toEqual(['WRONG_PASSWORD', 'WRONG_PASSWORD', 'RATE_LIMITED']);
  expect(await codeOf({ op: 'reset' })).toBe('APPLIED');
});

test('one actor who goes wild is stopped alone, until a person at the machine resumes', async () => {
  const settings = guard({ breaker: { perActor: 2 } });
  await restart(settings);
  expect([await codeOf(by('wild')), await codeOf(by('wild'))]).toEqual(['APPLIED', 'APPLIED']);
  const { outcome } = await rig.order({ objectGuid: ann, op: 'unlock', ...by('wild') });
  expect(outcome).toMatchObject({ code: 'BREAKER_OPEN', retry: 'admin' });
  expect(await codeOf(by('calm'))).toBe('APPLIED');
  await restart(settings);
  clock.advance(24 * HOUR);
  expect(await codeOf(by('wild'))).toBe('BREAKER_OPEN');
  expect((await passback('resume')).out).toContain('The breaker is open for 1 callers');
  expect(await codeOf(by('wild'))).toBe('BREAKER_OPEN');
  const closed = (await passback('resume', '--breaker')).out;
  expect(closed).toContain('The breaker is closed again.');
  expect(closed).not.toContain('breaker is open');
  expect((await passback('resume', '--breaker')).out).toContain('The breaker was not open.');
  expect(await codeOf(by('wild'))).toBe('APPLIED');
  await restart(settings);
  expect(await codeOf(by('wild'))).toBe('APPLIED');
});

test('too many writes stop everything, over a restart, and a toggle of the service ends nothing', async () => {
  const settings = guard({ breaker: { perActor: 2, overall: 3 } });
  await restart(settings);
  for (const actor of ['a', 'b', 'c']) expect(await codeOf(by(actor))).toBe('APPLIED');
  expect(await codeOf(by('d'))).toBe('BREAKER_OPEN');
  await restart(settings);
  await rig.toggle.offer(await rig.toggleStatement(1, true));
  expect(await codeOf(by('d'))).toBe('BREAKER_OPEN');
  await rig.stop();
  expect((await passback('resume', '--breaker', '--json')).out).toContain('"open":false');
  rig = await CommandRig.open({ directory, clock, guard: settings, after: rig });
  expect(await codeOf(by('d'))).toBe('APPLIED');
});

test('a breaker state that cannot be read counts as open, and resume cures it', async () => {
  await rig.stop();
  await writeFile(join(rig.folder, 'breaker.json'), '{');
  rig = await CommandRig.open({ directory, clock, after: rig });
  expect(rig.log.of('breaker.tripped')).toMatchObject([{ level: 'error' }]);
  expect(await codeOf()).toBe('BREAKER_OPEN');
  await restart();
  expect(await codeOf()).toBe('BREAKER_OPEN');
  await passback('resume', '--breaker');
  expect(await codeOf()).toBe('APPLIED');
  await rig.stop();
  await writeFile(join(rig.folder, 'breaker.json'), '{');
  await passback('resume', '--breaker');
  rig = await CommandRig.open({ directory, clock, after: rig });
  expect(await codeOf()).toBe('APPLIED');
});

test('closing the breaker does not end a pause that cannot be read for now', async () => {
  await rig.stop();
  const orders = join(rig.folder, 'local-orders.json');
  await passback('pause', '--reason', 'moving');
  const written = await readFile(orders, 'utf8');
  await writeFile(orders, written.slice(0, -10));
  const refused = await passback('resume', '--breaker');
  expect(refused).toMatchObject({ out: '', code: 1 });
  expect(refused.err).toMatch(/a pause may be in it: run passback resume to end it/);
  expect(await readFile(orders, 'utf8')).toBe(written.slice(0, -10));
  expect((await passback('resume')).out).toContain('not paused');
  expect(await passback('resume', '--breaker')).toMatchObject({ code: 0 });
  rig = await CommandRig.open({ directory, clock, after: rig });
});

test('a dry run does everything but the write, and says so', async () => {
  await restart(guard({ dryRun: true }));
  const seq = rig.journal.seq;
  const { outcome } = await rig.order({ objectGuid: ann });
  expect(outcome).toMatchObject({
    status: 'refused',
    code: 'DRY_RUN',
    retry: 'admin',
    dryRun: true,
    controller: 'dc1.corp.test',
  });
  expect(outcome.effect).toBeUndefined();
  expect([directory.writes, rig.began, rig.journal.open]).toEqual([0, [], 0]);
  expect(rig.journal.seq).toBe(seq + 1);
  expect(rig.log.of('refusal.dry_run')).toHaveLength(1);
  expect(rig.log.of('reset_by_admin.applied')).toEqual([]);
  expect(await readFile(join(rig.folder, 'journal.jsonl'), 'utf8')).not.toContain('"intent"');
});

test.each<[string, Partial<Order>, string]>([
  ['a protected account', {}, 'PROTECTED_ACCOUNT'],
  ['a password that nobody could type', { password: 'Wrong-1' }, 'PROTECTED_ACCOUNT'],
])('a dry run of %s is refused as the real thing would be', async (_what, order, code) => {
  await restart(guard({ dryRun: true }));
  directory.alter(ann, { adminCount: true });
  expect(await codeOf({ op: 'reset', ...order })).toBe(code);
});

test('a dry run of a password that the policy speaks against names the rule', async () => {
  await restart(guard({ dryRun: true }));
  const { outcome } = await rig.order({ objectGuid: ann, password: 'Short-1' });
  expect(outcome).toMatchObject({
    code: 'PASSWORD_POLICY',
    dryRun: true,
    rules: [{ rule: 'length', confidence: 'likely', minimumLength: 10 }],
  });
  expect(directory.writes).toBe(0);
});

test('an operation that waited for its account while a pause began is not begun', async () => {
  const release = directory.hold();
  const first = rig.order({ objectGuid: ann, op: 'unlock', baseline: undefined as never });
  const second = rig.order({ objectGuid: ann, op: 'unlock', baseline: undefined as never });
  await Promise.resolve();
  await passback('pause', '--reason', 'x');
  await rig.admission.refresh();
  release();
  const codes = [(await first).outcome.code, (await second).outcome.code];
  expect(codes).toContain('PAUSED');
  await rm(join(rig.folder, 'local-orders.json'));
  expect(await codeOf()).toBe('APPLIED');
});
