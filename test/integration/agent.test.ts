import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAX_FRAME_BYTES } from '../../src/protocol/messages.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { DirectoryError } from '../../src/agent/directory/directory.ts';
import type { HelloClaims, StatusClaims, StatusReport } from '../../src/protocol/status.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { resetClaims } from '../support/make-command.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { searchSecrets } from '../support/search-secrets.ts';
import { SmallDisk } from '../support/small-disk.ts';
import { StartedAgent } from '../support/start-agent.ts';

const PASSWORD = 'Planted-Correct-Horse-7';

let directory: FakeDirectory;
let ann: string;
let service: ScriptedService;
let agent: StartedAgent;
let disk: SmallDisk;

beforeEach(async () => {
  directory = new FakeDirectory();
  ann = directory.add({ sam: 'ann', password: 'Old-Password-1' });
  service = await ScriptedService.start();
  disk = new SmallDisk();
  agent = await StartedAgent.enroll(service, { directory, disk });
  agent.start();
  await eventually(() => agent.ready);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

async function reset(): ReturnType<ScriptedService['execute']> {
  const { account } = await service.inspect({ account: { name: 'ann@corp.test' }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const { objectGuid, baseline } = account;
  return service.execute(await resetClaims(service, objectGuid, baseline, PASSWORD));
}

test('a reset travels the whole way, and what crosses the link tells nobody the password', async () => {
  const { outcome, chain } = await reset();
  expect(outcome.code).toBe('APPLIED');
  expect(chain?.seq).toBe(1);
  expect(directory.passwordOf(ann)).toBe(PASSWORD);
  expect(service.session.began).toHaveLength(1);
  expect(
    await searchSecrets({ password: PASSWORD }, [
      agent.stateFolder,
      { name: 'log', content: agent.log.text() },
      { name: 'frames', content: service.session.frames.join('\n') },
    ]),
  ).toEqual([]);
});

test('the hello says what the agent is, what its guard allows and where its journal stands', async () => {
  expect(service.session.hello).toMatchObject({
    protocols: { min: 1, max: 1 },
    version: '0.1.0',
    journal: { seq: 0 },
    guard: { baseDns: ['OU=People,DC=corp,DC=test'], dryRun: false },
    status: { state: 'running', keys: { keySet: 1 } },
  });
});

test('a renewal is heard at once: approval, key set and clock; a fresh hello answers it', async () => {
  const nonce = 'n'.repeat(43);
  const serverTime = new Date(Date.now() + 120_000).toISOString();
  const renewal = {
    nonce,
    serverTime,
    approved: false,
    keySet: await service.keySet(2),
    peers: [],
  };
  const never = new AbortController().signal;
  const { hello } = await service.session.peer.call('session.renew', renewal, never);
  expect(agent.log.of('session.pending')).toHaveLength(1);
  expect(agent.log.of('keys.key_set_changed')).toHaveLength(1);
  expect(decodeJwt(hello)).toMatchObject({ nonce, sid: service.session.id });
  const { reasons } = decodeJwt<HelloClaims>(hello).status;
  expect(reasons).toContainEqual(expect.stringMatching(/^the clocks differ by 1(19|20) s/));
  expect(reasons).toContainEqual(expect.stringMatching(/^waiting for approval/));
});

test('a lost link is dialled again, and a known operation is answered on the new session', async () => {
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const claims = await resetClaims(service, ann, account.baseline);
  const first = await service.execute(claims);
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && agent.log.of('link.up').length === 2);
  const { sid, jti } = service.envelope();
  expect(await service.execute({ ...claims, sid, jti })).toEqual(first);
  expect(directory.wrote(ann)).toBe(1);
});

test('a welcome that lacks outcomes is answered with them, the first of them first', async () => {
  await reset();
  await reset();
  const { epoch } = service.session.hello?.journal ?? { epoch: '' };
  service.welcome = { trail: { epoch, seq: 0 } };
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && service.session.reports.length === 1);
  const chains = service.session.reports.flat().map((jws) => decodeJwt<OutcomeClaims>(jws).chain);
  expect(chains).toMatchObject([{ seq: 1 }, { seq: 2 }]);
});

test('thousands of outcomes are reported in frames that have room for them', async () => {
  const many = 40;
  for (let n = 0; n < many; n++) await reset();
  const { epoch } = service.session.hello?.journal ?? { epoch: '' };
  service.welcome = { trail: { epoch, seq: 1 } };
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && service.session.reports.length === 2);
  const { reports, frames } = service.session;
  expect(reports.flat()).toHaveLength(many - 1);
  expect(Math.max(...frames.map((frame) => frame.length))).toBeLessThan(MAX_FRAME_BYTES);
});

test('however often it is asked for outcomes, an agent has one report under way', async () => {
  for (let n = 0; n < 3; n++) await reset();
  const { epoch } = service.session.hello?.journal ?? { epoch: '' };
  const renewal = {
    serverTime: new Date().toISOString(),
    approved: true,
    keySet: await service.keySet(2),
    peers: [],
    trail: { epoch, seq: 0 },
  };
  const { peer, reports } = service.session;
  const never = new AbortController().signal;
  for (let n = 0; n < 20; n++) {
    await peer.call('session.renew', { ...renewal, nonce: 'n'.repeat(43) }, never);
  }
  expect(reports.length).toBeLessThan(5); // there is a quarter of a second between them
  expect(reports.flat().length).toBeGreaterThanOrEqual(3);
});

test('an outcome that cannot be read again is not reported, and the agent says that it is down and why', async () => {
  await reset();
  const journal = join(agent.stateFolder, 'journal.jsonl');
  const { size } = await stat(journal);
  const file = await open(journal, 'r+');
  await file.write('?', size - 100);
  await file.close();
  const { epoch } = service.session.hello?.journal ?? { epoch: '' };
  service.welcome = { trail: { epoch, seq: 0 } };
  service.session.socket.terminate();
  await eventually(() => {
    const { report } = decodeJwt<StatusClaims>(service.session.statements.at(-1) ?? '');
    expect(report).toMatchObject({
      state: 'down',
      reasons: [
        expect.stringMatching(/^the journal cannot be used: .*outcome 1 .*repair the disk/),
      ],
    });
  });
  expect(service.session.reports).toEqual([]);
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  await expect(
    resetClaims(service, ann, account.baseline).then((claims) => service.execute(claims)),
  ).rejects.toThrow();
  expect(directory.wrote(ann)).toBe(1);
});

test('another journal than its own is not gone on with', async () => {
  await reset();
  service.welcome = { trail: { epoch: '00000000-0000-4000-8000-000000000000', seq: 0 } };
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && agent.log.of('link.up').length === 2);
  await reset(); // an answer comes after whatever else would have been said
  expect(service.session.reports).toEqual([]);
});

test('a command for the session before is dead with it', async () => {
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const stale = await resetClaims(service, ann, account.baseline);
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && agent.log.of('link.up').length === 2);
  expect((await service.execute(stale)).outcome.code).toBe('WRONG_AGENT');
  expect(directory.writes).toBe(0);
});

test('a command that was held back is refused, and the agent states its clock anew', async () => {
  const { account } = await service.inspect({ account: { name: 'ann@corp.test' }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const claims = await resetClaims(service, ann, account.baseline);
  const monotonicMs = Math.max(0, claims.monotonicMs - 1_200);
  const told = service.session.statements.length;
  const { outcome } = await service.execute({ ...claims, monotonicMs, startWithinMs: 1_000 });
  expect(outcome).toMatchObject({ code: 'BUSY' });
  expect(directory.writes).toBe(0);
  await eventually(() => service.session.statements.length > told);
  const stated = decodeJwt<StatusClaims>(service.session.statements.at(-1) ?? '');
  expect(stated.monotonicMs).toBeGreaterThanOrEqual(claims.monotonicMs);
});

test('a question that the service did not sign is not answered', async () => {
  const claims = { ...service.envelope(), account: { objectGuid: ann }, op: 'reset' as const };
  const request = await signToken('inspect', claims, service.keys.root);
  const asked = service.session.peer.call('account.inspect', { request }, AbortSignal.timeout(5e3));
  await expect(asked).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
  expect(directory.reads).toBe(0);
});

test('a question is answered once: the same bytes a second time are not, and nothing is read', async () => {
  const claims = { ...service.envelope(), account: { objectGuid: ann }, op: 'reset' as const };
  const request = await signToken('inspect', claims, service.keys.signing);
  const ask = (): Promise<unknown> =>
    service.session.peer.call('account.inspect', { request }, AbortSignal.timeout(5e3));
  await ask();
  await expect(ask()).rejects.toMatchObject({ code: 'REPLAYED' });
  expect(directory.reads).toBe(1);
});

test('an account that may not be touched is answered with the verdict alone', async () => {
  directory.alter(ann, { adminCount: true });
  const answer = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  expect(answer.verdict?.code).toBe('PROTECTED_ACCOUNT');
  expect(answer.account).toBeUndefined();
});

test('a toggle pauses at once, an older one is refused by its code, and status says so in words', async () => {
  const set = async (toggle: Promise<string>): Promise<unknown> =>
    service.session.peer.call('writeback.set', { toggle: await toggle }, AbortSignal.timeout(5e3));
  expect(await set(service.toggle(4, false, 'maintenance'))).toEqual({
    version: 4,
    enabled: false,
  });
  await expect(set(service.toggle(3, true))).rejects.toMatchObject({ code: 'OLD_VERSION' });
  const refused = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  expect(refused.verdict?.code).toBe('PAUSED');
  await eventually(() => {
    expect(agent.log.text()).toContain('paused by the service: maintenance');
    expect(service.session.statements).not.toHaveLength(0);
  });
});

test('a directory that a question finds silent shows in the status at once', async () => {
  await reset(); // the first look at the directory is over
  const before = service.session.statements.length;
  directory.setHealth({ reachable: false, bound: false, problem: 'ECONNREFUSED' });
  directory.failNext('read', {
    error: new DirectoryError('DIRECTORY_UNREACHABLE', 'no domain controller answers'),
  });
  await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  await eventually(() => service.session.statements.length > before);
  const { report } = decodeJwt<StatusClaims>(service.session.statements.at(-1) ?? '');
  expect(report).toMatchObject({ state: 'down' });
});

test('on a full disk the agent says that it is down and why, and writes nothing', async () => {
  disk.fill();
  expect((await reset()).outcome.code).toBe('BUSY');
  await eventually(() => {
    const [last] = service.session.statements.slice(-1);
    const { report } = decodeJwt<{ report: StatusReport }>(last ?? '');
    expect(report).toMatchObject({
      state: 'down',
      reasons: [expect.stringMatching(/the disk is full; make room/)],
    });
  });
  expect(directory.writes).toBe(0);
});

test('an older key set in the welcome is ignored, and one that the root did not sign drops the link', async () => {
  const upAgain = async (): Promise<void> => {
    const ups = agent.log.of('link.up').length;
    service.session.socket.terminate();
    await eventually(() => agent.log.of('link.up').length === ups + 1);
  };
  service.welcome = { keySet: await service.keySet(2) };
  await upAgain();
  expect(agent.log.of('keys.key_set_changed')).toHaveLength(1);
  service.welcome = { keySet: await service.keySet(1, [service.keys.root.jwk]) };
  await upAgain();
  expect(agent.log.of('keys.key_set_ignored')).toHaveLength(1);
  service.welcome = { keySet: await signKeySet(service.keys.signing) };
  service.session.socket.terminate();
  await eventually(() => agent.log.of('link.protocol_error').length > 0);
  expect(agent.log.of('link.up')).toHaveLength(3);
});

test('garbage, oversize and binary frames cost the session and nothing else', async () => {
  const garbage = ['not json', '{"jsonrpc":"2.0"}', 'x'.repeat(70_000), Buffer.from([0xff, 0x00])];
  for (const [i, frame] of garbage.entries()) {
    service.session.socket.send(frame);
    await eventually(
      () => service.sessions.length === i + 2 && agent.log.of('link.up').length === i + 2,
      20_000,
    );
  }
  expect((await reset()).outcome.code).toBe('APPLIED');
});

test('draining, what has begun is finished and answered before the goodbye', async () => {
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const claims = await resetClaims(service, ann, account.baseline);
  const release = directory.hold();
  const running = service.execute(claims);
  await eventually(() => directory.reads === 2);
  const stopped = agent.stop();
  release();
  expect((await running).outcome.code).toBe('APPLIED');
  await stopped;
  expect(service.session.goodbye).toBe('the agent is stopping');
  expect(agent.log.lines.at(-1)?.event).toBe('agent.stopped');
});

test('draining, what has begun is finished also when the session that brought it is gone', async () => {
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const release = directory.hold();
  const running = service.execute(await resetClaims(service, ann, account.baseline));
  running.catch(() => undefined); // the service hears of it when the agent is back
  await eventually(() => directory.reads === 2);
  release();
  const releaseWrite = directory.hold();
  const { session } = service;
  await eventually(() => session.frames.some((frame) => frame.includes('command.began')));
  session.socket.terminate();
  await eventually(() => agent.log.of('link.down').length === 1);
  const stopped = agent.stop();
  releaseWrite();
  await stopped;
  expect(directory.writes).toBe(1);
  expect(agent.log.lines.slice(-2).map(({ event }) => event)).toEqual([
    'reset_by_admin.applied',
    'agent.stopped',
  ]);
});

async function signKeySet(root: ScriptedService['keys']['root']): Promise<string> {
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: service.url, number: 9, iat, exp: iat + 60, keys: [root.jwk] };
  return signToken('key-set', claims, root);
}
