import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/support/clock.ts';
import { enroll, type EnrollOptions } from '../../src/agent/identity/enroll.ts';
import { tlsTrust } from '../../src/support/tls-trust.ts';
import { loadIdentity } from '../../src/agent/identity/load-identity.ts';
import { ConnectProxy } from '../support/connect-proxy.ts';
import {
  openEnrollmentDesk,
  type DeskOptions,
  type EnrollmentDesk,
} from '../support/enrollment-desk.ts';
import { signingPair, signKeySet } from '../support/service-keys.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa } from '../support/test-ca.ts';

const TUNNEL = { kind: 'tunnel' } as const;

const never = new AbortController().signal;

async function scene(options: DeskOptions = {}): Promise<{
  desk: EnrollmentDesk;
  folder: string;
  tryEnroll: (changes?: Partial<EnrollOptions>) => ReturnType<typeof enroll>;
}> {
  const desk = await openEnrollmentDesk(options);
  const { path, ...temporary } = await temporaryFolder();
  onTestFinished(async () => {
    await desk[Symbol.asyncDispose]();
    await temporary[Symbol.asyncDispose]();
  });
  const folder = join(path, 'state');
  return {
    desk,
    folder,
    tryEnroll: (changes = {}) =>
      enroll(
        {
          url: desk.url,
          tokenText: desk.token,
          name: 'agent one',
          version: '1.2.3',
          stateFolder: folder,
          outbound: { trust: tlsTrust(desk.ca) },
          clock: systemClock,
          firstRetryMs: 1,
          ...changes,
        },
        never,
      ),
  };
}

test('enrolment leaves an identity that loads, with keys that only their owner can read', async () => {
  const { desk, folder, tryEnroll } = await scene();
  const enrolled = await tryEnroll();
  expect(enrolled).toMatchObject({ agentId: desk.agent, directory: 'corp', issuer: desk.issuer });
  const [request] = desk.requests;
  expect(request).toMatchObject({ name: 'agent one', version: '1.2.3', directory: 'corp' });
  expect(request?.deviceKey.kid).toBe(enrolled.fingerprint);

  const identity = await loadIdentity(folder, systemClock);
  expect(identity).toMatchObject({ agentId: desk.agent, directory: 'corp', issuer: desk.issuer });
  expect(identity.device.kid).toBe(enrolled.fingerprint);
  expect(identity.trust.number).toBe(1);
  expect(identity.sealing.find(identity.sealing.currentKid, Date.now())).toBeDefined();
  expect(identity.sealing.statement).toBe(request?.sealingKey);

  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  for (const name of await readdir(folder)) {
    expect((await stat(join(folder, name))).mode & 0o777, name).toBe(0o600);
  }
});

test('the secret of the token and private keys never travel', async () => {
  const { desk, folder, tryEnroll } = await scene();
  await tryEnroll();
  const token = JSON.parse(
    Buffer.from(desk.token.slice('passback-enroll-1.'.length), 'base64url').toString(),
  ) as { secret: string };
  const device = JSON.parse(await readFile(join(folder, 'device-key.json'), 'utf8')) as {
    d: string;
  };
  const sent = desk.bodies
    .flatMap((body) => [
      body,
      ...body.split(/[".]/).map((part) => Buffer.from(part, 'base64url').toString()),
    ])
    .join('\n');
  expect(sent).toContain('agent one');
  expect(sent).not.toContain(token.secret);
  expect(sent).not.toContain(device.d);
});

test('a second enrolment into the same folder is refused and changes nothing', async () => {
  const { folder, tryEnroll } = await scene();
  await tryEnroll();
  const before = await readFile(join(folder, 'device-key.json'), 'utf8');
  await expect(tryEnroll()).rejects.toMatchObject({
    code: 'ALREADY_ENROLLED',
    message: expect.stringContaining('To start over') as string,
  });
  expect(await readFile(join(folder, 'device-key.json'), 'utf8')).toBe(before);
});

test.each([
  ['a text that is no token', 'hello'],
  ['a token that was cut short', undefined],
])('%s is refused before anything is sent', async (_, text) => {
  const { desk, tryEnroll } = await scene();
  const tokenText = text ?? desk.token.slice(0, -20);
  await expect(tryEnroll({ tokenText })).rejects.toMatchObject({ code: 'TOKEN_UNREADABLE' });
  expect(desk.bodies).toEqual([]);
});

test.each([
  [404, 'TOKEN_REFUSED'],
  [410, 'TOKEN_REFUSED'],
  [407, 'SERVICE_REFUSED'],
  [500, 'SERVICE_REFUSED'],
  [302, 'SERVICE_REFUSED'],
])('HTTP %i is %s and is not tried again', async (status, code) => {
  const { desk, folder, tryEnroll } = await scene({ statuses: [status] });
  await expect(tryEnroll()).rejects.toMatchObject({ code });
  expect(desk.bodies).toHaveLength(1);
  await expect(loadIdentity(folder, systemClock)).rejects.toMatchObject({ code: 'NOT_ENROLLED' });
});

test('a service that is not ready is asked again', async () => {
  const { desk, tryEnroll } = await scene({ statuses: [503, 503] });
  await expect(tryEnroll()).resolves.toMatchObject({ agentId: desk.agent });
  expect(desk.bodies).toHaveLength(3);
});

test('nobody listening is said before each new try, and after a few', async () => {
  const { tryEnroll } = await scene();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  const said: string[] = [];
  const onRetry = (reason: string): void => {
    said.push(reason);
  };
  await expect(tryEnroll({ url: `https://127.0.0.1:${port}`, onRetry })).rejects.toMatchObject({
    code: 'SERVICE_UNREACHABLE',
    message: expect.stringContaining('connection refused') as string,
  });
  expect(said).toHaveLength(4);
  expect(said.join()).toContain('connection refused');
});

test('a certificate of an unknown CA is refused and the message names service.caFile', async () => {
  const { desk, tryEnroll } = await scene();
  const other = await createTestCa('Another CA');
  await expect(tryEnroll({ outbound: { trust: tlsTrust(other.ca) } })).rejects.toMatchObject({
    code: 'TLS_UNTRUSTED',
    message: expect.stringContaining('service.caFile') as string,
  });
  expect(desk.bodies).toEqual([]);
});

test('a certificate for another host name is refused', async () => {
  const { tryEnroll, desk } = await scene();
  const { port } = new URL(desk.url);
  await expect(tryEnroll({ url: `https://127.0.0.1:${port}` })).rejects.toMatchObject({
    code: 'TLS_UNTRUSTED',
    message: expect.stringContaining('another host name') as string,
  });
  expect(desk.bodies).toEqual([]);
});

test('somebody who swaps the root for one of their own is found out', async () => {
  const foreign = await signingPair();
  const { tryEnroll, folder } = await scene({
    tamper: async (honest) => ({
      ...honest,
      root: foreign.public,
      keySet: await signKeySet({
        root: foreign,
        keys: [foreign],
        issuer: honest.issuer,
        now: Date.now(),
      }),
    }),
  });
  await expect(tryEnroll()).rejects.toMatchObject({
    code: 'WRONG_ROOT',
    message: expect.stringContaining('swapped keys') as string,
  });
  await expect(loadIdentity(folder, systemClock)).rejects.toMatchObject({ code: 'NOT_ENROLLED' });
});

test('an answer of somebody who does not know the secret of the token is refused', async () => {
  const { tryEnroll } = await scene({ foreignMac: true });
  await expect(tryEnroll()).rejects.toMatchObject({ code: 'ANSWER_NOT_AUTHENTIC' });
});

test('an answer to another request is refused', async () => {
  const { tryEnroll } = await scene({
    tamper: (honest) => ({ ...honest, request: 'A'.repeat(43) }),
  });
  await expect(tryEnroll()).rejects.toMatchObject({ code: 'ANSWER_NOT_AUTHENTIC' });
});

test('an answer for another directory is refused', async () => {
  const { tryEnroll } = await scene({ tamper: (honest) => ({ ...honest, directory: 'other' }) });
  await expect(tryEnroll()).rejects.toMatchObject({ code: 'ANSWER_NOT_AUTHENTIC' });
});

test('a key set that the root did not sign is refused', async () => {
  const foreign = await signingPair();
  const { tryEnroll, folder } = await scene({
    tamper: async (honest) => ({
      ...honest,
      keySet: await signKeySet({
        root: foreign,
        keys: [foreign],
        issuer: honest.issuer,
        now: Date.now(),
      }),
    }),
  });
  await expect(tryEnroll()).rejects.toMatchObject({ code: 'ANSWER_NOT_AUTHENTIC' });
  await expect(loadIdentity(folder, systemClock)).rejects.toMatchObject({ code: 'NOT_ENROLLED' });
});

test.each(['', 'null', '<html>', '{"response":5}', `{"response":"${'a'.repeat(100_000)}"}`])(
  'an answer that is none of ours is refused (%#)',
  async (body) => {
    const { tryEnroll } = await scene({ body });
    await expect(tryEnroll()).rejects.toMatchObject({ code: 'SERVICE_REFUSED' });
  },
);

test('a state folder that others can enter is refused with the command that closes it', async () => {
  const { desk, folder, tryEnroll } = await scene({ statuses: [410] });
  await expect(tryEnroll()).rejects.toMatchObject({ code: 'TOKEN_REFUSED' }); // makes the folder
  await chmod(folder, 0o750);
  await expect(tryEnroll()).rejects.toMatchObject({
    code: 'FOLDER_NOT_PRIVATE',
    message: expect.stringContaining(`chmod 700 '${folder}'`) as string,
  });
  expect(desk.bodies).toHaveLength(1);
});

test('a damaged state file is said with its path and not quoted', async () => {
  const { folder, tryEnroll } = await scene();
  await tryEnroll();
  const path = join(folder, 'device-key.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('"d":"', '"d":"~planted~'));
  const error = await loadIdentity(folder, systemClock).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'STATE_DAMAGED' });
  expect(String(error)).toContain(path);
  expect(String(error)).not.toContain('planted');
});

test('enrolment goes through the proxy, which reads none of it', async () => {
  await using proxy = await ConnectProxy.start();
  const { desk, tryEnroll } = await scene();
  const outbound = { trust: tlsTrust(desk.ca), proxy: proxy.proxy };
  await expect(tryEnroll({ outbound })).resolves.toMatchObject({ agentId: desk.agent });
  expect(proxy.asked).toHaveLength(1);
  expect(proxy.passed).not.toContain('agent one');
});

test('a proxy that wants a login ends the enrolment with where to put it', async () => {
  await using proxy = await ConnectProxy.start({ login: 'joe:secret' });
  const { desk, tryEnroll } = await scene();
  const outbound = { trust: tlsTrust(desk.ca), proxy: proxy.proxy };
  await expect(tryEnroll({ outbound })).rejects.toMatchObject({
    code: 'PROXY_REFUSED',
    message: expect.stringContaining('service.proxy.credentialsFile') as string,
  });
  expect(proxy.asked).toHaveLength(1);
  expect(desk.bodies).toEqual([]);
});

test('a proxy that cannot reach the service, or cuts TLS, is asked again: nothing was used up', async () => {
  const acts = [
    { kind: 'say', text: 'HTTP/1.1 503 No\r\n\r\n' },
    { kind: 'close' },
    { kind: 'cut-after', bytes: 50 },
  ] as const;
  await using proxy = await ConnectProxy.start({ act: (index) => acts[index] ?? TUNNEL });
  const { desk, tryEnroll } = await scene();
  const said: string[] = [];
  const outbound = { trust: tlsTrust(desk.ca), proxy: proxy.proxy };
  const onRetry = (reason: string): void => {
    said.push(reason);
  };
  await expect(tryEnroll({ outbound, onRetry })).resolves.toMatchObject({ agentId: desk.agent });
  expect(said).toEqual([
    expect.stringContaining('could not reach the service'),
    expect.stringContaining('closed the connection'),
    expect.stringContaining('cut'),
  ]);
  expect(desk.bodies).toHaveLength(1);
});
