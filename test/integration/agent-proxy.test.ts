import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { dial } from '../../src/agent/link/dial.ts';
import type { HttpProxy } from '../../src/support/http-proxy.ts';
import { ProxyLogin } from '../../src/support/proxy-login.ts';
import { connectOut, type Outbound } from '../../src/support/secure-connection.ts';
import { tlsTrust } from '../../src/support/tls-trust.ts';
import { ConnectProxy, type ConnectProxyOptions, type ProxyAct } from '../support/connect-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { SocketService } from '../support/socket-service.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa } from '../support/test-ca.ts';

const never = new AbortController().signal;

let service: SocketService;

beforeAll(async () => {
  service = await SocketService.start();
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

async function startProxy(options: ConnectProxyOptions | ProxyAct = {}): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start('kind' in options ? { act: () => options } : options);
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
  });
  return proxy;
}

function outbound(proxy: HttpProxy, changes: Partial<Outbound> = {}): Outbound {
  return { trust: tlsTrust(service.ca), proxy, stageMs: 2_000, ...changes };
}

/** Dials through a proxy and closes again; rejects with what the dialling rejects with. */
async function tryDial(to: Outbound, url = service.url, signal = never): Promise<void> {
  const connectToken = async (): Promise<string> => 'connect.token.here';
  const { socket } = await dial(url, { outbound: to, connectToken }, signal);
  socket.terminate();
}

/** Nothing of a connection is left, whatever became of it. */
async function expectNothingOpen(proxy: ConnectProxy): Promise<void> {
  await eventually(() => {
    expect(proxy.clients.size).toBe(0);
  });
}

test.each([
  ['a proxy', {}],
  ['a proxy that is reached by TLS', { tls: true }],
] as const)('%s is asked for a tunnel, and reads nothing in it', async (_, options) => {
  const proxy = await startProxy(options);
  const before = service.upgrades;
  await tryDial(outbound(proxy.proxy));
  expect(service.upgrades).toBe(before + 1);
  expect(proxy.asked).toEqual([{ target: new URL(service.url).host, authorization: undefined }]);
  expect(proxy.passed.length).toBeGreaterThan(500);
  expect(proxy.passed).not.toContain('connect.token.here');
  await expectNothingOpen(proxy);
});

test('a host that is exempt is reached without the proxy', async () => {
  const proxy = await startProxy();
  await tryDial(outbound(proxy.proxy, { noProxy: ['localhost'] }));
  expect(proxy.asked).toEqual([]);
});

const answers: [string, ProxyAct, string, readonly string[]][] = [
  [
    'no login given',
    { kind: 'say', text: 'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n' },
    'PROXY_LOGIN',
    ['HTTP 407', 'service.proxy.credentialsFile'],
  ],
  [
    'only logins that are not spoken',
    {
      kind: 'say',
      text: 'HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n',
    },
    'PROXY_LOGIN',
    ['negotiate or ntlm', 'cntlm'],
  ],
  [
    '403',
    { kind: 'say', text: 'HTTP/1.1 403 No\r\n\r\n' },
    'PROXY',
    ['HTTP 403', 'allow CONNECT', 'localhost:'],
  ],
  [
    '502',
    { kind: 'say', text: 'HTTP/1.1 502 No\r\nRetry-After: 1\r\n\r\n<html>' },
    'PROXY',
    ['could not reach the service', 'HTTP 502'],
  ],
  ['404', { kind: 'say', text: 'HTTP/1.1 404 No\r\n\r\n' }, 'PROXY', ['may be no HTTP proxy']],
  ['silence', { kind: 'hang' }, 'PROXY', ['does not answer', 'service.proxy.url']],
  [
    'half an answer',
    { kind: 'say', text: 'HTTP/1.1 200 Con' },
    'PROXY',
    ['does not answer', 'service.proxy.url'],
  ],
  ['a closed door', { kind: 'close' }, 'PROXY', ['closed the connection', 'service.proxy.url']],
  [
    'garbage',
    { kind: 'say', text: '\u0016\u0003\u0001garbage\r\n\r\n' },
    'PROXY',
    ['something else than HTTP'],
  ],
  [
    'a header without end',
    { kind: 'flood', text: `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(8_192)}` },
    'PROXY',
    ['something else than HTTP', 'OVERFLOW'],
  ],
  [
    'more than an answer',
    { kind: 'say', text: 'HTTP/1.1 200 OK\r\n\r\nplanted' },
    'PROXY',
    ['more than an answer'],
  ],
  [
    'a tunnel that is cut in the TLS handshake',
    { kind: 'cut-after', bytes: 50 },
    'TURNED_AWAY',
    ['cut'],
  ],
  [
    'a tunnel to where nobody speaks TLS',
    { kind: 'say', text: 'HTTP/1.1 200 OK\r\n\r\n' },
    'UNREACHABLE',
    ['no answer in time'],
  ],
];

test.each(answers)('a proxy that gives %s is named with it', async (_, act, code, words) => {
  const proxy = await startProxy(act);
  const error: unknown = await tryDial(outbound(proxy.proxy, { stageMs: 300 })).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code });
  for (const word of words) expect(String(error)).toContain(word);
  const isOfService = code === 'UNREACHABLE' || code === 'TURNED_AWAY';
  if (!isOfService) expect(String(error)).toContain(new URL(proxy.url).host);
  await expectNothingOpen(proxy);
});

test.each([
  ['where nothing listens', 'http://localhost:1', 'connection refused'],
  ['whose name nobody knows', 'http://nowhere.invalid:3128', 'DNS'],
])('a proxy %s is told from a service that is not there', async (_, url, words) => {
  const proxy = { url, setting: 'HTTPS_PROXY', trust: undefined };
  const dialled = tryDial(outbound(proxy, { stageMs: 10_000 }));
  await expect(dialled).rejects.toMatchObject({ code: 'PROXY' });
  await expect(dialled).rejects.toThrow(words);
  await expect(dialled).rejects.toThrow('Look at HTTPS_PROXY');
});

test('a service that is not there behind a proxy is told by what the proxy says', async () => {
  const proxy = await startProxy({ kind: 'say', text: 'HTTP/1.1 503 No\r\n\r\n' });
  await expect(tryDial(outbound(proxy.proxy), 'https://nowhere.invalid')).rejects.toThrow(
    'CONNECT nowhere.invalid:443',
  );
});

test('an https proxy of a CA that is not trusted is not spoken to', async () => {
  const proxy = await startProxy({ tls: true });
  const dialled = tryDial(outbound({ ...proxy.proxy, trust: tlsTrust(service.ca) }));
  await expect(dialled).rejects.toThrow('service.proxy.caFile');
  await expect(dialled).rejects.toThrow('"CN=CA of the proxy"');
  expect(proxy.asked).toEqual([]);
});

test('an https proxy that is not the one that was named is not spoken to', async () => {
  const proxy = await startProxy({ tls: true });
  const url = proxy.url.replace('localhost', '127.0.0.1');
  await expect(tryDial(outbound({ ...proxy.proxy, url }))).rejects.toThrow('another host name');
  expect(proxy.asked).toEqual([]);
});

test('behind a proxy the certificate has to be for the name of the service all the same', async () => {
  const proxy = await startProxy();
  const url = service.url.replace('localhost', '127.0.0.1');
  const dialled = tryDial(outbound(proxy.proxy), url);
  await expect(dialled).rejects.toMatchObject({ code: 'UNTRUSTED' });
  await expect(dialled).rejects.toThrow('another host name');
  expect(proxy.asked[0]?.target).toBe(new URL(url).host);
  await expectNothingOpen(proxy);
});

test('a proxy that leads to somebody else is found out', async () => {
  const other = await SocketService.start();
  const proxy = await startProxy({ kind: 'divert', port: Number(new URL(other.url).port) });
  await expect(tryDial(outbound(proxy.proxy))).rejects.toMatchObject({ code: 'UNTRUSTED' });
  expect(other.upgrades).toBe(0);
  await other[Symbol.asyncDispose]();
});

test('an IPv6 address is asked for in brackets', async () => {
  const proxy = await startProxy({ kind: 'say', text: 'HTTP/1.1 403 No\r\n\r\n' });
  await expect(tryDial(outbound(proxy.proxy), 'wss://[fd00::1]:8443')).rejects.toThrow('HTTP 403');
  expect(proxy.asked[0]?.target).toBe('[fd00::1]:8443');
});

async function withLogin(
  proxy: ConnectProxy,
  text: string,
): Promise<{ to: Outbound; write: (text: string) => Promise<void>; clock: FakeClock }> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const file = join(folder.path, 'proxy-login');
  const write = (content: string): Promise<void> => writeFile(file, content, { mode: 0o600 });
  await write(text);
  const clock = new FakeClock();
  return {
    to: outbound({ ...proxy.proxy, login: new ProxyLogin(file, clock) }),
    write,
    clock,
  };
}

test('the login of the file is given as UTF-8, and nobody else sees it', async () => {
  const proxy = await startProxy({ login: 'jörg:p:ä ß' });
  const { to } = await withLogin(proxy, 'jörg:p:ä ß\n');
  await tryDial(to);
  expect(proxy.asked).toHaveLength(1);
  expect(service.connections.at(-1)?.upgrade.headers).not.toHaveProperty('proxy-authorization');
});

test('a login that was refused is not offered again for five minutes, and a corrected one at once', async () => {
  const proxy = await startProxy({ login: 'joe:right' });
  const { to, write, clock } = await withLogin(proxy, 'joe:planted');
  const refused = async (): Promise<unknown> => tryDial(to).catch((error: unknown) => error);
  for (let tries = 0; tries < 3; tries++) {
    const error = await refused();
    expect(error).toMatchObject({ code: 'PROXY_LOGIN' });
    expect(String(error)).toContain('proxy-login');
    expect(String(error)).toContain('correct');
    expect(String(error)).not.toContain('planted');
  }
  expect(proxy.asked).toHaveLength(1);
  clock.advance(5 * 60_000);
  await refused();
  expect(proxy.asked).toHaveLength(2);
  await write('joe:right\n');
  await tryDial(to);
  expect(proxy.asked).toHaveLength(3);
  await expectNothingOpen(proxy);
});

test('a file of credentials that has gone is said with its path', async () => {
  const proxy = await startProxy();
  const login = new ProxyLogin('/nonexistent/login', new FakeClock());
  await expect(tryDial(outbound({ ...proxy.proxy, login }))).rejects.toThrow(
    '/nonexistent/login does not exist',
  );
  await expectNothingOpen(proxy);
});

const stages: [string, () => Promise<ConnectProxy>][] = [
  ['the answer of the proxy', () => startProxy({ kind: 'hang' })],
  ['TLS with the service', () => startProxy({ kind: 'say', text: 'HTTP/1.1 200 OK\r\n\r\n' })],
];

test.each(stages)(
  'an abort while %s is awaited ends at once, with nothing open',
  async (_, start) => {
    const proxy = await start();
    const abort = new AbortController();
    const dialled = tryDial(outbound(proxy.proxy, { stageMs: 60_000 }), service.url, abort.signal);
    dialled.catch(() => undefined);
    await eventually(() => proxy.asked.length === 1);
    abort.abort();
    await expect(dialled).rejects.toThrow('stopped');
    await expectNothingOpen(proxy);
  },
);

test('an abort while TLS with the proxy is awaited ends at once, with nothing open', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.resume())).listen(0, '127.0.0.1');
  onTestFinished(() => {
    silent.close();
  });
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const abort = new AbortController();
  const proxy = { url: `https://localhost:${port}`, setting: 'HTTPS_PROXY', trust: undefined };
  const dialled = tryDial(outbound(proxy, { stageMs: 60_000 }), service.url, abort.signal);
  dialled.catch(() => undefined);
  await eventually(() => sockets.length === 1);
  abort.abort();
  await expect(dialled).rejects.toThrow('stopped');
  await once(sockets[0] ?? silent, 'close');
});

test('an abort while the upgrade is awaited ends at once, with nothing open', async () => {
  const slow = await SocketService.start({ refuse: () => '100 Continue' });
  const proxy = await startProxy();
  const abort = new AbortController();
  const to = outbound(proxy.proxy, { trust: tlsTrust(slow.ca) });
  const dialled = tryDial(to, slow.url, abort.signal);
  dialled.catch(() => undefined);
  await eventually(() => slow.upgrades === 1);
  abort.abort();
  await expect(dialled).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await expectNothingOpen(proxy);
  await slow[Symbol.asyncDispose]();
});

test('what inspects TLS is recognised, and named with what an admin has to put where', async () => {
  const ca = await createTestCa('Zscaler Intermediate Root CA');
  const proxy = await startProxy({ kind: 'inspect', ca, upstreamCa: service.ca });
  const error: unknown = await tryDial(outbound(proxy.proxy)).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'UNTRUSTED' });
  expect(String(error)).toContain('"CN=Zscaler Intermediate Root CA"');
  expect(String(error)).toContain(new X509Certificate(ca.ca).fingerprint256);
  expect(String(error)).toContain('. Something on the way inspects TLS. ');
  expect(String(error)).toContain('service.caFile');
  expect(proxy.passed).not.toContain('connect.token.here');
  await expectNothingOpen(proxy);
});

test('with its CA trusted an inspected link works, and it is known who signed', async () => {
  const ca = await createTestCa('Zscaler Intermediate Root CA');
  const proxy = await startProxy({ kind: 'inspect', ca, upstreamCa: service.ca });
  const to = outbound(proxy.proxy, { trust: tlsTrust(ca.ca) });
  await tryDial(to);
  expect(proxy.passed).toContain('connect.token.here');
  const { socket, chain } = await connectOut(new URL(service.url), to, never);
  socket.destroy();
  expect(chain?.issuer).toBe('CN=Zscaler Intermediate Root CA');
});

test('a CA of a name that says nothing may be of the company, or of what inspects TLS', async () => {
  const ca = await createTestCa('Corp Root\nCA 2');
  const proxy = await startProxy({ kind: 'inspect', ca, upstreamCa: service.ca });
  await expect(tryDial(outbound(proxy.proxy))).rejects.toThrow(
    'If that is no CA of yours, something on the way inspects TLS',
  );
});
