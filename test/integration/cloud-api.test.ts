import { request } from 'node:https';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { addDirectory } from '../../src/cloud/setup/add-directory.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type ApiAnswer, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeAll(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await agent.connect();
});

afterAll(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

beforeEach(() => {
  agent.onInspect = () => undefined;
  agent.onCommand = () => 'APPLIED';
});

const PREPARE = { account: { name: 'ada' }, op: 'reset' };

function expectProblem(answer: ApiAnswer, status: number, code: string): void {
  expect(answer).toMatchObject({
    status,
    headers: { 'content-type': 'application/problem+json' },
    body: {
      type: expect.stringMatching(/^urn:passback:problem:[a-z-]+$/) as unknown,
      title: expect.any(String) as unknown,
      status,
      code,
      retry: expect.stringMatching(/^(later|user|admin|never)$/) as unknown,
      action: expect.stringMatching(/^[A-Z].*\.$/) as unknown,
      requestId: answer.headers['x-request-id'],
    },
  });
}

test('an unknown path, a wrong method and an unknown directory are problems', async () => {
  expectProblem(await cloud.call('GET', '/nothing'), 404, 'NOT_FOUND');
  expectProblem(await cloud.call('DELETE', 'status'), 404, 'NOT_FOUND');
  await cloud.inspect((store) => addDirectory(store, 'other', Date.now()));
  const answers = [
    await cloud.call('GET', '/v1/directories/other/status'),
    await cloud.call('GET', '/v1/directories/nowhere/status'),
  ];
  for (const answer of answers) expectProblem(answer, 403, 'FORBIDDEN');
});

test.each([
  ['none', ''],
  ['one that is no key', 'hello'],
  ['one that nobody made', `pbk_${'A'.repeat(43)}`],
])('without a valid key (%s) nothing is told', async (_name, key) => {
  const answer = await cloud.call('GET', 'status', { key });
  expectProblem(answer, 401, 'UNAUTHENTICATED');
  expect(answer.headers['www-authenticate']).toBe('Bearer');
});

test('each scope opens its own calls and no others', async () => {
  const calls: Record<string, readonly [string, string, object?]> = {
    status: ['GET', 'status'],
    audit: ['GET', 'audit'],
    agents: ['GET', 'agents'],
    token: ['POST', 'enrollment-tokens'],
    toggle: ['PUT', 'writeback', { enabled: true }],
    reset: ['POST', 'prepare', PREPARE],
    change: ['POST', 'prepare', { ...PREPARE, op: 'change' }],
    unlock: ['POST', 'prepare', { ...PREPARE, op: 'unlock' }],
  };
  const allowed: Record<string, readonly string[]> = {
    inspect: [],
    reset: ['reset'],
    change: ['change'],
    unlock: ['unlock'],
    status: ['status'],
    admin: ['status', 'audit', 'agents', 'token', 'toggle'],
  };
  for (const [scope, key] of Object.entries(cloud.keys)) {
    for (const [name, [method, path, body]] of Object.entries(calls)) {
      const { status } = await cloud.call(method, path, { key, ...(body && { body }) });
      const expected = allowed[scope]?.includes(name) === true;
      expect(status < 300, `${scope} ${name}: ${status}`).toBe(expected);
      if (!expected) expect(status).toBe(403);
    }
  }
});

test('every wrong field of a body is listed at once', async () => {
  const answer = await cloud.call('POST', 'prepare', {
    body: { account: { name: 7 }, op: 'explode', options: { unlock: 'yes' }, extra: 1 },
  });
  expectProblem(answer, 400, 'INVALID_REQUEST');
  const { errors } = answer.body as { errors: { path: string; detail: string }[] };
  const paths = errors.map(({ path }) => path);
  expect(paths).toEqual(expect.arrayContaining(['account', 'op', 'options.unlock', '']));
  expect(errors.find(({ path }) => path === 'account')?.detail).toContain('{ "name": "anna@');
});

test.each(['', 'an\nna', 'x'.repeat(257)])(
  'a bad account name is told in words: %j',
  async (name) => {
    const answer = await cloud.call('POST', 'prepare', {
      body: { account: { name }, op: 'unlock' },
    });
    expect(answer.body).toMatchObject({
      code: 'INVALID_REQUEST',
      errors: [
        {
          path: 'account.name',
          detail:
            'expected a user principal name, DOMAIN\\user or a logon name: 1 to 256 characters on one line',
        },
      ],
    });
  },
);

test('bad JSON, another media type, no body and too much of one are problems', async () => {
  expectProblem(await cloud.call('POST', 'prepare', { text: '{"a":' }), 400, 'INVALID_REQUEST');
  expectProblem(await cloud.call('POST', 'prepare'), 400, 'INVALID_REQUEST');
  const headers = { 'content-type': 'text/plain' };
  const plain = await cloud.call('POST', 'prepare', { text: 'hello', headers });
  expectProblem(plain, 415, 'UNSUPPORTED_MEDIA_TYPE');
  const long = await cloud.call('POST', 'prepare', { text: `{"a":"${'x'.repeat(17_000)}"}` });
  expectProblem(long, 413, 'TOO_LARGE');
});

test('a body without a length is refused', async () => {
  const status = await new Promise((resolve, reject) => {
    const sent = request(
      new URL(`/v1/enroll`, cloud.address),
      { method: 'POST', ca: cloud.tls.ca, headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    sent.on('error', reject);
    sent.write('{"token":');
    sent.end('"x"}');
  });
  expect(status).toBe(411);
});

test('ids that are none, and options that an operation does not have, are problems', async () => {
  expectProblem(await cloud.call('GET', 'operations/x'), 400, 'INVALID_REQUEST');
  expectProblem(await cloud.call('DELETE', 'agents/x'), 400, 'INVALID_REQUEST');
  expectProblem(await cloud.call('GET', 'audit?limit=0'), 400, 'INVALID_REQUEST');
  const body = { ...PREPARE, op: 'unlock', options: { mustChange: true } };
  expectProblem(await cloud.call('POST', 'prepare', { body }), 400, 'INVALID_OPTIONS');
});

test('an account that must not be touched looks to an ordinary key like one that is not there', async () => {
  const texts = new Set<string>();
  for (const code of ['OUT_OF_SCOPE', 'PROTECTED_ACCOUNT', 'ACCOUNT_NOT_FOUND'] as const) {
    agent.onInspect = () => code;
    const ordinary = await cloud.call('POST', 'prepare', { body: PREPARE, key: cloud.keys.reset });
    expectProblem(ordinary, 422, 'ACCOUNT_NOT_FOUND');
    texts.add(JSON.stringify({ ...(ordinary.body as object), requestId: '' }));
    const admin = await cloud.call('POST', 'prepare', { body: PREPARE });
    expectProblem(admin, 422, code);
  }
  expect(texts.size).toBe(1);
});

test('the outcome of an operation is masked in the same way', async () => {
  agent.onCommand = () => 'PROTECTED_ACCOUNT';
  const key = cloud.keys.reset;
  const prepared = await prepareOperation(cloud, {}, { key });
  const done = await submitOperation(cloud, prepared, { key });
  expect(done.body).toMatchObject({ status: 'refused', code: 'ACCOUNT_NOT_FOUND' });
  expect(done.body).not.toHaveProperty('signedOutcome');
  expect(done.body).not.toHaveProperty('outcome');
});

test('a refusal says who can do something about it', async () => {
  agent.onInspect = () => 'ACCOUNT_DISABLED';
  const answer = await cloud.call('POST', 'prepare', { body: PREPARE });
  expectProblem(answer, 422, 'ACCOUNT_DISABLED');
  expect(answer.body).toMatchObject({ retry: 'admin', action: expect.any(String) as unknown });
});

test('what may pass by itself is 503 with Retry-After', async () => {
  agent.onInspect = () => 'DIRECTORY_UNREACHABLE';
  const answer = await cloud.call('POST', 'prepare', { body: PREPARE });
  expectProblem(answer, 503, 'DIRECTORY_UNREACHABLE');
  expect(answer.headers['retry-after']).toBe('5');
});

test('the audit says who did what, in pages, with the signed outcome', async () => {
  const prepared = await prepareOperation(cloud, {}, { key: cloud.keys.reset });
  await submitOperation(cloud, prepared, { key: cloud.keys.reset });
  const page = await cloud.call('GET', 'audit?limit=2');
  const { entries, next } = page.body as { entries: { seq: number }[]; next: number };
  expect(entries).toHaveLength(2);
  expect(entries[0]).toMatchObject({
    actor: 'only-reset',
    action: 'operation.applied',
    target: prepared.objectGuid,
    detail: { cmd: prepared.operation, op: 'reset', by: 'admin', code: 'APPLIED', agent: agent.id },
    signedOutcome: expect.any(String) as unknown,
  });
  const second = await cloud.call('GET', `audit?limit=2&before=${next}`);
  const { entries: older } = second.body as { entries: { seq: number }[] };
  expect(older[0]?.seq).toBeLessThan(entries[1]?.seq ?? 0);
});

test('answers carry security headers and are kept by nobody', async () => {
  const { headers } = await cloud.call('GET', 'status');
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'strict-transport-security': expect.any(String) as unknown,
  });
});

test('health is told without a key', async () => {
  expect(await cloud.call('GET', '/livez', { key: '' })).toMatchObject({
    status: 200,
    body: 'ok\n',
  });
  expect(await cloud.call('GET', '/readyz', { key: '' })).toMatchObject({ status: 200 });
});

test('no key, token or secret is in the log', async () => {
  const text = cloud.log.text();
  for (const key of [cloud.adminKey, ...Object.values(cloud.keys)]) expect(text).not.toContain(key);
  expect(text).not.toContain('passback-enroll-1.');
  expect(text).not.toContain('eyJ');
});
