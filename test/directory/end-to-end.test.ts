import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { useLab } from '../lab/use-lab.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { searchSecrets, type Haystack } from '../support/search-secrets.ts';
import { Stack } from '../support/stack.ts';

/** Every password that this file types in anywhere; searched for at the end. */
const PLANTED = {
  reset: 'Planted-for-a-reset-1',
  change: 'Planted-for-a-change-2',
  wrong: 'Planted-but-wrong-3',
  short: 'Plant-4!',
  refused: 'Planted-and-refused-5',
};

const lab = useLab();
let folder: string;
let stack: Stack;
let proxy: RecordingProxy;
let agent: { readonly agent: string; readonly fingerprint: string };

/** The two programs as an admin runs them, behind a proxy that reads all TLS. */
beforeAll(async () => {
  await lab.reset();
  folder = await mkdtemp(join(tmpdir(), 'passback-e2e-'));
  stack = await Stack.prepare({
    lab,
    folder,
    between: async (service) => (proxy = await RecordingProxy.start(service)),
  });
  await stack.startCloud();
  agent = await stack.enroll();
  await stack.startAgent();
});

afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function operate(op: string, account: string, password = ''): ReturnType<Stack['command']> {
  const from = op === 'unlock' ? [] : ['--password-file', '-'];
  return stack.command(['operate', op, '--account', account, ...from], `${password}\n`);
}

test('a pending agent is given no command, and one that nobody approved with another fingerprint stays so', async () => {
  const early = await operate('reset', 'anna@corp.test', PLANTED.refused);
  expect(early.code).not.toBe(0);
  expect(early.stderr).toContain('pending');
  const wrong = ['agent', 'approve', agent.agent, '--fingerprint', 'x'.repeat(43)];
  expect((await stack.command(wrong)).code).not.toBe(0);
  expect((await lab.passwordWrites()).size).toBe(0);
});

test('approved, it resets a password through a proxy that reads TLS, and Kerberos takes it', async () => {
  const { agent: id, fingerprint } = agent;
  expect((await stack.command(['agent', 'approve', id, '--fingerprint', fingerprint])).code).toBe(
    0,
  );
  const ended = await operate('reset', 'anna@corp.test', PLANTED.reset);
  expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('applied') as string });
  expect(await lab.kinit('anna', PLANTED.reset)).toBe('ok');
});

test('a locked account is unlocked and logs on again', async () => {
  expect(await lab.kinit('locked', lab.person('locked').password)).toBe('revoked');
  expect((await operate('unlock', 'CORP\\locked')).code).toBe(0);
  expect(await lab.kinit('locked', lab.person('locked').password)).toBe('ok');
});

test('a change takes the right old password and says WRONG_PASSWORD to another', async () => {
  const [oldFile, newFile] = [join(folder, 'old'), join(folder, 'new')];
  const change = async (oldPassword: string): ReturnType<Stack['command']> => {
    await writeFile(oldFile, oldPassword);
    await writeFile(newFile, PLANTED.change);
    const files = ['--old-password-file', oldFile, '--password-file', newFile];
    const ended = await stack.command(['operate', 'change', '--account', 'ben', ...files]);
    await Promise.all([oldFile, newFile].map((file) => rm(file)));
    return ended;
  };
  expect((await change(PLANTED.wrong)).stdout).toContain('WRONG_PASSWORD');
  expect((await change(lab.person('ben').password)).code).toBe(0);
  expect(await lab.kinit('ben', PLANTED.change)).toBe('ok');
});

test('what the policy or the guard refuses is told in words, and changes nothing', async () => {
  const short = await operate('reset', 'clara@corp.test', PLANTED.short);
  expect(short).toMatchObject({ code: 2, stdout: expect.stringContaining('length') as string });
  const boss = await operate('reset', 'boss@corp.test', PLANTED.refused);
  expect(boss.code).toBe(2);
  const outside = await operate('reset', 'olaf@corp.test', PLANTED.refused);
  expect(outside.code).toBe(2);
  const writes = await lab.passwordWrites();
  expect([...writes.keys()].sort()).toEqual(['anna', 'ben']);
});

test('a command that is altered on the way is not carried out, and goes on when nobody alters it', async () => {
  proxy.tamper = (message) =>
    message.includes('"command.execute"')
      ? message.replace(/"command":"([^"]{40})./, (_all, head: string) => `"command":"${head}_`)
      : message;
  const ended = await stack.command(
    ['operate', 'reset', '--account', 'clara@corp.test', '--password-file', '-', '--wait', '2'],
    `${PLANTED.refused}\n`,
  );
  expect(ended).toMatchObject({ code: 3, stdout: expect.stringContaining('Pending') as string });
  expect(await lab.kinit('clara', lab.person('clara').password)).toBe('ok');
  proxy.tamper = (message) => message;
  await eventually(async () => (await lab.passwordWrites()).get('clara') === 1, 20_000);
  expect(await lab.kinit('clara', PLANTED.refused)).toBe('ok');
});

test('both programs go on after a restart, and what was applied before is not written again', async () => {
  expect((await stack.agent?.stop())?.code).toBe(0);
  expect((await stack.cloud?.stop())?.code).toBe(0);
  const before = await lab.passwordWrites();
  await stack.startCloud();
  await stack.startAgent();
  expect((await operate('reset', 'anna@corp.test', PLANTED.reset)).code).toBe(0);
  const after = await lab.passwordWrites();
  expect(Object.fromEntries(after)).toEqual({
    ...Object.fromEntries(before),
    anna: (before.get('anna') ?? 0) + 1,
  });
});

test('revoked, the agent is cut off at once and says so', async () => {
  expect((await stack.command(['agent', 'revoke', agent.agent])).code).toBe(0);
  await stack.agent?.printed(/link\.(?:rejected|down).*revoked/);
  expect((await operate('unlock', 'anna@corp.test')).code).not.toBe(0);
});

test('no planted password is in a log, the database, the state folder or a captured frame', async () => {
  const captured: Haystack[] = [
    { name: 'frames and requests', content: proxy.recorded.join('\n') },
    { name: 'log of the service', content: stack.cloud?.output ?? '' },
    { name: 'log of the agent', content: stack.agent?.output ?? '' },
  ];
  const everywhere = [...captured, stack.cloudData, stack.agentState];
  expect(proxy.recorded.join('\n')).toContain('command.execute');
  expect(await searchSecrets(PLANTED, everywhere)).toEqual([]);
  // The search finds what is there: one that is planted on purpose, where it could be.
  const onPurpose = join(stack.agentState, 'planted');
  await writeFile(onPurpose, Buffer.from(`x${PLANTED.reset}`, 'utf16le'));
  const hits = await searchSecrets(PLANTED, everywhere);
  expect(new Set(hits.map(({ secret, place }) => `${secret} in ${place}`))).toEqual(
    new Set([`reset in ${onPurpose}`]),
  );
  expect(await readFile(join(stack.agentState, 'journal.jsonl'), 'utf8')).toContain('APPLIED');
});
