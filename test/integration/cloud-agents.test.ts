import { randomUUID } from 'node:crypto';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sha256 } from '../../src/protocol/digest.ts';
import { formatEnrollmentToken, parseEnrollmentToken } from '../../src/protocol/enrollment.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import type { Store } from '../../src/cloud/store/store.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { systemClock } from '../../src/support/clock.ts';
import { createToken, ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

const REFUSED = { status: 403, body: { code: 'ENROLLMENT_REFUSED' } };

test('an honest agent enrols once with a token, and is pending', async () => {
  const token = await createToken(cloud);
  await agent.enroll(token);
  expect(agent.issuer).toBe(cloud.issuer);
  const { body } = await cloud.call('GET', 'agents');
  expect(body).toMatchObject({
    agents: [{ id: agent.id, state: 'pending', connected: false, fingerprint: agent.device.kid }],
  });
  const second = await ScriptedAgent.create(cloud);
  expect(await second.postEnrollment(token)).toMatchObject(REFUSED);
});

test('whatever is wrong with a token, the answer is the same', async () => {
  const used = await createToken(cloud);
  await agent.enroll(used);
  const parsed = parseEnrollmentToken(used);
  if (parsed === undefined) throw new Error('not a token');
  const unknown = formatEnrollmentToken({ ...parsed, id: randomUUID() });
  const other = await ScriptedAgent.create(cloud);
  const answers = [await other.postEnrollment(used), await other.postEnrollment(unknown)];
  for (const { status, body } of answers) {
    expect({ status, body }).toMatchObject(REFUSED);
  }
  const details = answers.map(({ body }) => (body as { detail: string }).detail);
  expect(new Set(details).size).toBe(1);
});

test('a token is refused once its hour is over', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + offsetMs };
  await using later = await startTestCloud({ clock });
  const [late, early] = [await ScriptedAgent.create(later), await ScriptedAgent.create(later)];
  const [one, two] = [await createToken(later), await createToken(later)];
  offsetMs = 3_590_000;
  early.offsetMs = offsetMs;
  await early.enroll(one);
  offsetMs = 3_601_000;
  late.offsetMs = offsetMs;
  expect(await late.postEnrollment(two)).toMatchObject(REFUSED);
});

test('a wrong MAC does not use a token up, but the fifth burns it', async () => {
  const token = await createToken(cloud);
  const wrong = { secret: new Uint8Array(32).fill(7) };
  for (let n = 0; n < 4; n += 1) {
    expect(await agent.postEnrollment(token, wrong)).toMatchObject(REFUSED);
  }
  await agent.enroll(token);
  const burnt = await createToken(cloud);
  const other = await ScriptedAgent.create(cloud);
  for (let n = 0; n < 5; n += 1) await other.postEnrollment(burnt, wrong);
  expect(await other.postEnrollment(burnt)).toMatchObject(REFUSED);
});

test('an enrolment with keys that somebody on the way swapped is refused', async () => {
  const token = await createToken(cloud);
  const mallory = await ScriptedAgent.create(cloud);
  const swapped = await agent.postEnrollment(token, {
    claims: { sealingKey: await mallory.sealingStatement() },
  });
  expect(swapped).toMatchObject(REFUSED);
  const misnamed = { ...agent.device.jwk, kid: mallory.device.kid };
  expect(await agent.postEnrollment(token, { claims: { deviceKey: misnamed } })).toMatchObject(
    REFUSED,
  );
});

test('strangers can ask for enrolment only so often in a minute', async () => {
  const body = { token: randomUUID(), request: 'a.b.c' };
  const ask = async (): Promise<number> =>
    (await cloud.call('POST', '/v1/enroll', { key: '', body })).status;
  const first = await Promise.all(Array.from({ length: 60 }, ask));
  expect(new Set(first)).toEqual(new Set([403]));
  expect(await cloud.call('POST', '/v1/enroll', { key: '', body })).toMatchObject({
    status: 429,
    body: { code: 'TOO_MANY_REQUESTS' },
  });
  expect((await cloud.call('GET', 'agents')).status).toBe(200);
});

test('a device key enrols once', async () => {
  await agent.enroll();
  expect(await agent.postEnrollment(await createToken(cloud))).toMatchObject(REFUSED);
});

test('a pending agent may connect, is told so, gets no command and is no recipient', async () => {
  await agent.enroll();
  const { welcome } = await agent.connect();
  expect(welcome.approved).toBe(false);
  expect(welcome.spreadMs).toBe(6); // of the 185 that come in within a second, the only one
  const answer = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'reset' },
  });
  expect(answer).toMatchObject({ status: 503, body: { code: 'NO_AGENT', retry: 'later' } });
  expect((answer.body as { detail: string }).detail).toContain('1 pending');

  const approved = await ScriptedAgent.create(cloud);
  await approved.join();
  await approved.connect();
  const prepared = await prepareOperation(cloud);
  expect(prepared.recipients.map((recipient) => recipient.agent)).toEqual([approved.id]);
  expect((await submitOperation(cloud, prepared)).body.agent).toBe(approved.id);
  expect([agent.inspections, agent.commands]).toEqual([[], []]);
  await approved[Symbol.asyncDispose]();
});

test('an approval makes a live session live at once, and needs the fingerprint', async () => {
  await agent.enroll();
  await agent.connect();
  const wrong = await cloud.call('POST', `agents/${agent.id}/approve`, {
    body: { fingerprint: 'A'.repeat(43) },
  });
  expect(wrong).toMatchObject({ status: 409, body: { code: 'WRONG_FINGERPRINT' } });
  await agent.approve();
  await agent.approve();
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
});

test('a revocation closes the live socket with 4001 and is remembered', async () => {
  await agent.join();
  const { closed } = await agent.connect();
  const revoked = await cloud.call('DELETE', `agents/${agent.id}`);
  expect(revoked).toMatchObject({ status: 200, body: { state: 'revoked', connected: false } });
  expect(await closed).toBe(4001);
  await expect(agent.dial()).rejects.toThrow('HTTP 403');
  await cloud.restart();
  await expect(agent.dial()).rejects.toThrow('HTTP 403');
  const approve = await cloud.call('POST', `agents/${agent.id}/approve`, {
    body: { fingerprint: agent.device.kid },
  });
  expect(approve).toMatchObject({ status: 409, body: { code: 'AGENT_REVOKED' } });
});

test('the upgrade is refused for every token that is not exactly right', async () => {
  await agent.join();
  const stranger = await ScriptedAgent.create(cloud);
  const iat = Math.floor(Date.now() / 1000);
  const bad = {
    'from a stranger': await stranger.connectToken({ iss: randomUUID() }).catch(() => ''),
    'signed by another key': await Object.assign(stranger, { id: agent.id }).connectToken(),
    'for another service': await agent.connectToken({ aud: 'https://other.example' }),
    'for another subject': await agent.connectToken({ sub: randomUUID() }),
    'too old': await agent.connectToken({ iat: iat - 200, exp: iat - 140 }),
    'living too long': await agent.connectToken({ exp: iat + 3_600 }),
    'no token': 'x.y.z',
  };
  for (const [name, token] of Object.entries(bad)) {
    await expect(agent.dial(token), name).rejects.toThrow('HTTP 401');
  }
  const good = await agent.connectToken();
  (await agent.dial(good)).terminate();
  await expect(agent.dial(good)).rejects.toThrow(/HTTP 40[19]/);
  await expect(agent.dial(undefined, 'passback.v9')).rejects.toThrow('HTTP 426');
});

test('a second live session of one identity is refused with an alarm; the first one stays', async () => {
  await agent.join();
  await agent.connect();
  await expect(agent.dial()).rejects.toThrow('HTTP 409');
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
  const audit = await cloud.call('GET', 'audit');
  expect(JSON.stringify(audit.body)).toContain('SECOND_SESSION');
});

test('a session whose other end is dead makes room for the new one', async () => {
  await agent.join();
  const { socket } = await agent.connect();
  socket.pause(); // answers no ping any more
  const next = await agent.connect();
  expect(next.welcome.approved).toBe(true);
  socket.terminate();
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
});

test('a hello with another nonce, session or key ends the session', async () => {
  await agent.join();
  const nonce = sha256('another');
  await expect(agent.connect({ nonce })).rejects.toMatchObject({ code: 'WRONG_NONCE' });
  await expect(agent.connect({ sid: randomUUID() })).rejects.toMatchObject({ code: 'WRONG_NONCE' });
  await expect(agent.connect({ aud: 'https://other.example' })).rejects.toMatchObject({
    code: 'WRONG_AUDIENCE',
  });
  const mallory = await ScriptedAgent.create(cloud);
  await expect(
    agent.connect({ sealingKey: await mallory.sealingStatement() }),
  ).rejects.toMatchObject({ code: 'SEALING_KEY_REFUSED' });
  await eventually(() => agent.connect());
});

test('an agent that speaks more than this service works with the highest that both speak', async () => {
  await agent.join();
  const later = { protocols: { min: 1, max: 7 }, version: '9.0.0', mood: 'good' };
  const { welcome } = await agent.connect(later);
  expect(welcome.protocol).toBe(1);
  const done = await submitOperation(cloud, await prepareOperation(cloud));
  expect(done.body.status).toBe('applied');
});

test.each([
  [
    { protocols: { min: 8, max: 9 } },
    /speaks protocols 8 to 9, the service .* protocol 1: update the service/,
  ],
  [
    { version: '0.0.1' },
    /has version 0\.0\.1, this service works with 0\.1\.0 or newer: update the agent/,
  ],
])(
  'an agent that cannot be served is closed with 4003, in words on both sides',
  async (bend, words) => {
    await agent.join();
    const refused = await agent.connect(bend).then(
      () => undefined,
      (error: unknown) => error as Error & { code: string },
    );
    expect(refused).toMatchObject({
      code: 'UPGRADE_REQUIRED',
      message: expect.stringMatching(words) as string,
    });
    const [line] = cloud.log
      .of('cloud.link_refused')
      .filter(({ fields }) => fields.code === 'UPGRADE_REQUIRED');
    expect(line?.fields.reason).toMatch(words);
    await eventually(() => agent.closeCodes.at(-1) === 4003);
  },
);

test('a hello of an earlier session cannot be used again', async () => {
  await agent.join();
  const { welcome } = await agent.connect();
  const nonce = sha256('old');
  const old = await agent.hello({ sid: welcome.session, nonce });
  await agent.cut();
  agent.hello = async () => old;
  await expect(agent.connect()).rejects.toMatchObject({ code: 'WRONG_NONCE' });
});

test('a journal that went backwards, forked or is another one is refused with an alarm', async () => {
  await agent.join();
  await agent.connect();
  for (let n = 0; n < 2; n += 1) {
    await submitOperation(cloud, await prepareOperation(cloud));
  }
  await agent.cut();
  const { epoch, seq, head } = agent;
  const journals = {
    JOURNAL_WENT_BACKWARDS: { epoch, seq: seq - 1, head },
    JOURNAL_FORKED: { epoch, seq, head: 'A'.repeat(43) },
    JOURNAL_REPLACED: { epoch: randomUUID(), seq: seq + 5, head },
  };
  for (const [code, journal] of Object.entries(journals)) {
    await eventually(async () => {
      await expect(agent.connect({ journal })).rejects.toMatchObject({ code });
    });
  }
  await eventually(() => agent.connect());
  const audit = JSON.stringify((await cloud.call('GET', 'audit')).body);
  for (const code of Object.keys(journals)) expect(audit).toContain(code);
});

test.each([
  ['text that is no JSON', 'hello'],
  ['JSON that is no JSON-RPC', '{"hello":"world"}'],
  ['a batch', '[]'],
  ['a binary frame', Buffer.from([1, 2, 3])],
  ['a frame over 64 KiB', JSON.stringify({ jsonrpc: '2.0', method: 'x'.repeat(66_000) })],
  ['a frame far over 64 KiB', 'x'.repeat(300_000)],
])('%s closes the link, and the service lives on', async (_name, frame) => {
  await agent.join();
  const { socket, closed } = await agent.connect();
  socket.send(frame);
  expect([4004, 1009]).toContain(await closed);
  await eventually(() => agent.connect());
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
});

test('calls that are not known or not due are answered with an error, and cost nothing else', async () => {
  await agent.join();
  const socket = await agent.dial();
  const answers: unknown[] = [];
  socket.on('message', (data) => answers.push(JSON.parse((data as Buffer).toString('utf8'))));
  socket.resume();
  const status = await signToken(
    'status',
    {
      iss: agent.id,
      aud: agent.issuer,
      iat: Math.floor(Date.now() / 1000),
      monotonicMs: 0,
      report: agent.report(),
    },
    agent.device,
  );
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'agent.nothing', params: {} }));
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'agent.hello', params: { a: 1 } }));
  socket.send(
    JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'agent.status', params: { status } }),
  );
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 4, method: 'constructor', params: {} }));
  await eventually(() => answers.length === 5);
  expect(answers.slice(1)).toMatchObject(
    [
      { id: 1, error: { code: -32601 } },
      { id: 2, error: { code: -32602 } },
      { id: 4, error: { code: -32601 } },
      { id: 3, error: { code: -32000 } },
    ].sort(
      (a, b) =>
        answers.findIndex((x) => (x as { id?: number }).id === a.id) -
        answers.findIndex((x) => (x as { id?: number }).id === b.id),
    ),
  );
  socket.terminate();
});

test('a status report is shown; one that the agent did not sign ends the session', async () => {
  await agent.join();
  const { peer, closed } = await agent.connect();
  const iat = Math.floor(Date.now() / 1000);
  const report = agent.report({ state: 'degraded', reasons: ['a controller is down'] });
  const claims = { iss: agent.id, aud: agent.issuer, iat, monotonicMs: 0, report };
  peer.notify('agent.status', { status: await signToken('status', claims, agent.device) });
  await eventually(async () => {
    expect((await cloud.call('GET', 'status')).body).toMatchObject({
      connectivity: 'degraded',
      agents: [{ report: { state: 'degraded', reasons: ['a controller is down'] } }],
    });
  });
  const mallory = await ScriptedAgent.create(cloud);
  peer.notify('agent.status', { status: await signToken('status', claims, mallory.device) });
  expect(await closed).toBe(4004);
});

test('an older sealing key cannot be brought back', async () => {
  await agent.join();
  const old = await agent.sealingStatement(agent.sealing, Math.floor(Date.now() / 1000) - 20);
  const { peer } = await agent.connect();
  const call = peer.call('agent.keys', { sealingKey: old }, AbortSignal.timeout(5_000));
  await expect(call).rejects.toMatchObject({ code: 'EXPIRED' });
});

test('the version of the toggle is the rising time of its change; it is pushed, repeated in the welcome, and survives a restart', async () => {
  await agent.join();
  await agent.connect();
  const toggle = (enabled: boolean) =>
    cloud.call('PUT', 'writeback', { body: { enabled, reason: 'maintenance' } });
  const before = Date.now();
  expect((await toggle(false)).body).toMatchObject({ enabled: false, by: 'admin' });
  expect((await toggle(true)).body).toMatchObject({ enabled: true });
  expect((await toggle(false)).body).toMatchObject({ enabled: false });
  expect(agent.toggles.map(({ enabled }) => enabled)).toEqual([true, false, true, false]);
  const versions = agent.toggles.map(({ version }) => version);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  expect(versions[1]).toBeGreaterThanOrEqual(before);
  expect(versions.at(-1)).toBeLessThan(Date.now() + 10);
  await cloud.restart();
  await agent.connect();
  expect(agent.toggles.at(-1)).toMatchObject({
    version: versions.at(-1),
    enabled: false,
    reason: 'maintenance',
  });
});

test('while writeback is paused nobody gets to type a password', async () => {
  await agent.join();
  await agent.connect();
  await cloud.call('PUT', 'writeback', { body: { enabled: false, reason: 'audit week' } });
  const answer = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'reset' },
  });
  expect(answer).toMatchObject({ status: 503, body: { code: 'PAUSED', retry: 'later' } });
  const { detail, action } = answer.body as { detail: string; action: string };
  expect(detail).toMatch(/paused by \S+ since \d{4}-\S+Z: audit week$/);
  expect(action).toContain('passback-cloud resume');
  expect(agent.inspections).toEqual([]);
});

test('what an agent says is to be done is what the caller is told', async () => {
  await agent.join();
  await agent.connect();
  agent.onInspect = () => 'PAUSED';
  agent.bendInspection = ({ verdict, ...claims }) => {
    if (verdict === undefined) throw new TypeError('no verdict');
    const action = 'run `passback resume` there';
    return signToken('inspection', { ...claims, verdict: { ...verdict, action } }, agent.device);
  };
  const answer = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'reset' },
  });
  expect(answer.body).toMatchObject({ code: 'PAUSED', action: 'run `passback resume` there' });
});

test('when the service stops, agents are told and the close code says so', async () => {
  await agent.join();
  const { closed } = await agent.connect();
  await cloud.stop();
  expect(await closed).toBe(1001);
});

test('a garbage upgrade and half a request leave the service standing', async () => {
  const port = Number(new URL(cloud.address).port);
  const texts = [
    'GET /v1/connect HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'GET /other HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'GET /v1/connect HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    '\u0000\u0001\u0002\r\n\r\n',
  ];
  for (const text of texts) {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({ host: '127.0.0.1', port, ca: cloud.tls.ca }, () => {
        socket.write(text);
      });
      let received = '';
      socket.setEncoding('latin1');
      socket.on('data', (data: string) => (received += data));
      socket.on('error', reject);
      socket.on('close', () => {
        resolve(received);
      });
    });
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  }
  expect(await cloud.call('GET', '/readyz')).toMatchObject({ status: 200 });
});

test('an agent that knows a newer toggle than the service says that the database was restored', async () => {
  await agent.join();
  await agent.connect();
  expect(cloud.log.of('cloud.agent_alarm')).toEqual([]);
  await agent.cut();
  await agent.connect({ toggle: 7 });
  const alarms = cloud.log.of('cloud.agent_alarm').map(({ fields }) => fields.alarm);
  expect(alarms).toEqual(['SERVICE_WENT_BACKWARDS']);
});

test('an agent that says that it writes although the directory is paused is told once more', async () => {
  await agent.join();
  const { peer } = await agent.connect();
  const says = async (state: 'running' | 'paused'): Promise<void> => {
    peer.notify('agent.status', {
      status: await agent.status({ report: agent.report({ state }) }),
    });
    await eventually(async () => {
      const { body } = await cloud.call('GET', 'status');
      expect(body).toMatchObject({ agents: [{ report: { state } }] });
    });
  };
  const told = (): readonly boolean[] => agent.toggles.map(({ enabled }) => enabled);
  await says('running');
  await cloud.inspect(pauseUnheard);
  expect(told()).toEqual([true]);
  await says('paused');
  expect(told()).toEqual([true]);
  await says('running');
  await eventually(() => told().length > 1);
  expect(told()).toEqual([true, false]);
});

/** As by another node that does not know of the agent's session yet. */
async function pauseUnheard(store: Store): Promise<void> {
  const directory = await store.directories.find(TEST_DIRECTORY);
  if (directory === undefined) throw new Error('there is no directory');
  const { toggle } = directory;
  const at = Date.now();
  const paused = { version: at, enabled: false, reason: 'audit', by: 'admin', at };
  await store.directories.setToggle(TEST_DIRECTORY, paused, toggle.version);
}
