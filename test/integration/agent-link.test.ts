import { getEventListeners, once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { dial } from '../../src/agent/link/dial.ts';
import { runLink } from '../../src/agent/link/link.ts';
import type { LinkOptions } from '../../src/agent/link/link-options.ts';
import { LinkMonitor, type LinkReport } from '../../src/agent/link/link-report.ts';
import type { LinkState } from '../../src/agent/link/link-state.ts';
import type { Clock } from '../../src/support/clock.ts';
import { systemClock } from '../../src/support/clock.ts';
import { tlsTrust } from '../../src/support/tls-trust.ts';
import { ConnectProxy } from '../support/connect-proxy.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { SocketService, type SocketServiceOptions } from '../support/socket-service.ts';
import { createTestCa } from '../support/test-ca.ts';

const HELLO = 'hello.of.agent';

interface Scene {
  readonly service: SocketService;
  readonly log: MemoryLog;
  readonly monitor: LinkMonitor;
  readonly states: LinkState[];
  readonly drain: AbortController;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  readonly slept: number[];
}

/** Real time, except that waits between tries are noted and not waited for. */
function hurried(slept: number[], pingAtOnce: boolean): Clock {
  return {
    ...systemClock,
    sleep: async (ms, signal) => {
      slept.push(ms);
      const short = ms === 25_000 && !pingAtOnce ? ms : Math.min(ms, 20);
      await systemClock.sleep(ms === 10_000 || ms === 5_000 ? Math.min(ms, 300) : short, signal);
    },
  };
}

async function scene(
  behaviour: SocketServiceOptions = {},
  changes: Partial<LinkOptions> & { readonly pingAtOnce?: boolean } = {},
): Promise<Scene> {
  const { pingAtOnce = false, ...options } = changes;
  const service = await SocketService.start(behaviour);
  const log = new MemoryLog();
  const states: LinkState[] = [];
  const monitor = new LinkMonitor(systemClock);
  monitor.watch(({ state }) => states.push(state));
  const slept: number[] = [];
  const drain = new AbortController();
  const abort = new AbortController();
  const ended = runLink(
    {
      urls: [service.url],
      outbound: { trust: tlsTrust(service.ca) },
      connectToken: async () => 'connect.token.here',
      hello: async () => HELLO,
      onWelcome: async () => undefined,
      handlers: {
        'account.inspect': async () => ({ inspection: 'i.n.s' }),
        'command.execute': async () => ({ outcome: 'o.u.t' }),
        'writeback.set': async () => ({ version: 1, enabled: true }),
        'session.renew': async () => ({ hello: HELLO }),
      },
      monitor,
      drainMs: 2_000,
      clock: hurried(slept, pingAtOnce),
      log,
      random: () => 0.5,
      ...options,
    },
    { drain: drain.signal, abort: abort.signal },
  );
  onTestFinished(async () => {
    abort.abort();
    await ended;
    await service[Symbol.asyncDispose]();
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    expect(getEventListeners(drain.signal, 'abort')).toHaveLength(0);
  });
  return { service, log, monitor, states, drain, abort, ended, slept };
}

/** What is waited for, less the moment between the answer and the wait. */
function about(ms: number): unknown {
  return expect.closeTo(ms, -2);
}

const command = { id: 7, method: 'command.execute', params: { command: 'c.o.m' } };

test('the agent dials with its token, answers the challenge and serves commands', async () => {
  const { service, log, states } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  const connection = service.connection();
  expect(connection.upgrade.url).toBe('/v1/connect');
  expect(connection.upgrade.headers.authorization).toBe('Bearer connect.token.here');
  expect(connection.upgrade.headers['sec-websocket-protocol']).toBe('passback.v1');
  expect(connection.upgrade.headers['sec-websocket-extensions']).toBeUndefined();
  expect(connection.of('agent.hello')).toMatchObject([{ params: { hello: HELLO } }]);
  expect(log.of('link.up')).toMatchObject([{ fields: { session: connection.session } }]);
  expect(states).toEqual(['dialing', 'greeting', 'ready']);
  connection.send(command);
  await eventually(() => {
    expect(connection.frames.at(-1)).toMatchObject({ id: 7, result: { outcome: 'o.u.t' } });
  });
});

test('nothing is served before the welcome', async () => {
  const { service } = await scene({
    behave: (connection) => {
      connection.challenge();
      connection.send(command);
    },
  });
  await eventually(() => {
    expect(service.connection().frames).toContainEqual(
      expect.objectContaining({
        id: 7,
        error: expect.objectContaining({ code: -32_000 }) as object,
      }),
    );
  });
});

const breaches: [string, SocketServiceOptions['behave'] & object][] = [
  [
    'garbage',
    (connection) => {
      connection.socket.send('garbage');
    },
  ],
  [
    'JSON that is no JSON-RPC',
    (connection) => {
      connection.socket.send('[1,2]');
    },
  ],
  [
    'a binary frame',
    (connection) => {
      connection.socket.send(Buffer.from('{}'));
    },
  ],
  ['silence instead of a challenge', () => undefined],
  [
    'silence instead of a welcome',
    (connection) => {
      connection.challenge();
    },
  ],
  [
    'a welcome for another session',
    (connection) => {
      connection.greet({ session: '00000000-0000-4000-8000-000000000000' });
    },
  ],
];

test.each(breaches)(
  '%s closes the session with 4004, and the agent comes again',
  async (_, behave) => {
    const { service, log } = await scene({
      behave: (connection, index) => {
        if (index === 0) behave(connection, index);
        else connection.greet();
      },
    });
    await eventually(() => log.of('link.up').length === 1);
    expect(service.connection(0).closed).toEqual({ code: 4004 });
    expect(log.of('link.protocol_error')).toHaveLength(1);
    expect(log.text()).not.toContain('garbage');
  },
);

test('a challenge that revives an earlier session is not answered', async () => {
  const session = '00000000-0000-4000-8000-000000000001';
  const nonce = 'n'.repeat(43);
  const { service, log } = await scene({
    behave: (connection, index) => {
      if (index > 1) connection.greet();
      else connection.send({ method: 'session.challenge', params: { session, nonce } });
      if (index === 0)
        void eventually(() => connection.frames.length > 0).then(() => {
          connection.socket.terminate();
        });
    },
  });
  await eventually(() => log.of('link.up').length === 1);
  expect(service.connection(0).of('agent.hello')).toHaveLength(1);
  expect(service.connection(1).of('agent.hello')).toHaveLength(0);
  expect(service.connection(1).closed).toEqual({ code: 4004 });
});

test('a frame over 64 KiB ends the session, and the agent comes again', async () => {
  const { service, log } = await scene({
    behave: (connection, index) => {
      if (index === 0) connection.socket.send('x'.repeat(64 * 1024 + 1));
      else connection.greet();
    },
  });
  await eventually(() => log.of('link.up').length === 1);
  expect(service.connection(0).closed).toEqual({ code: 1009 });
  expect(log.of('link.protocol_error')).toHaveLength(1);
});

test('garbage in a ready session ends it, and the agent comes again', async () => {
  const { service, log } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  service.connection().socket.send('{"jsonrpc":"1.0"}');
  await eventually(() => log.of('link.up').length === 2);
  expect(service.connection(0).closed).toEqual({ code: 4004 });
});

test('a welcome that is not accepted ends the session before anything is served', async () => {
  let welcomes = 0;
  const { service, log } = await scene(
    {},
    {
      onWelcome: async () => {
        welcomes += 1;
        if (welcomes === 1) throw new TypeError('planted secret');
      },
    },
  );
  await eventually(() => log.of('link.up').length === 1);
  expect(service.connection(0).closed).toEqual({ code: 4004 });
  expect(log.of('link.handler_failed')).toHaveLength(1);
  expect(log.text()).not.toContain('planted');
});

test('a handler that fails is answered with an internal error and logged without its message', async () => {
  const { service, log } = await scene(
    {},
    {
      handlers: {
        'account.inspect': async () => ({ inspection: 'i.n.s' }),
        'command.execute': async () => {
          throw new TypeError('planted secret');
        },
        'writeback.set': async () => ({ version: 1, enabled: true }),
        'session.renew': async () => ({ hello: HELLO }),
      },
    },
  );
  await eventually(() => log.of('link.up').length === 1);
  service.connection().send(command);
  await eventually(() => {
    expect(service.connection().frames.at(-1)).toMatchObject({ id: 7, error: { code: -32_603 } });
  });
  expect(log.of('link.handler_failed')).toMatchObject([{ fields: { name: 'TypeError' } }]);
  expect(log.text() + JSON.stringify(service.connection().frames)).not.toContain('planted');
});

test('a peer that answers no ping is given up', async () => {
  const { service, log } = await scene(
    {
      behave: (connection, index) => {
        connection.greet();
        // Reading stops, so no pong leaves, while the socket stays open.
        if (index === 0)
          setTimeout(() => {
            connection.socket.pause();
          }, 50);
      },
    },
    { pingAtOnce: true },
  );
  await eventually(() => log.of('link.up').length === 2);
  expect(log.of('link.down')[0]?.fields.reason).toContain('no answer to a ping');
  expect(service.connections.length).toBeGreaterThanOrEqual(2);
});

/** An upgrade that the service itself refuses, as it says why. */
function problem(status: string, code: string): string {
  const body = JSON.stringify({ type: 'about:blank', status: parseInt(status, 10), code });
  return `${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

test.each([
  [problem('401 Unauthorized', 'AGENT_UNKNOWN'), 'link.rejected', 'enrol again'],
  [problem('403 Forbidden', 'AGENT_REVOKED'), 'link.rejected', 'revoked'],
  [problem('403 Forbidden', 'AGENT_DISABLED'), 'link.rejected', 'passback-cloud agent enable'],
  ['401 Unauthorized', 'link.dial_failed', 'what stands in front'],
  ['403 Forbidden', 'link.dial_failed', 'what stands in front'],
  ['409 Conflict', 'link.dial_failed', 'copies of one state folder'],
  ['500 Internal Server Error', 'link.dial_failed', 'not ready'],
  ['426 Upgrade Required', 'link.rejected', 'update it'],
  ['407 Proxy Authentication Required', 'link.dial_failed', 'proxy'],
  ['503 Service Unavailable', 'link.dial_failed', 'not ready'],
  ['302 Found\r\nLocation: https://example.com', 'link.dial_failed', 'HTTP 302'],
  ['200 OK', 'link.dial_failed', 'HTTP 200'],
] as const)('an upgrade refused with %s is said once, in words', async (status, event, words) => {
  const { service, log, slept } = await scene({ refuse: () => status });
  await eventually(() => service.upgrades >= 3);
  const told = log.of(event);
  expect(told.filter(({ level }) => level !== 'debug')).toHaveLength(1);
  expect(told[0]?.fields.reason).toContain(words);
  const rare = event === 'link.rejected';
  expect(slept.every((ms) => (rare ? ms >= 600_000 && ms <= 900_000 : ms <= 60_000))).toBe(true);
});

test('a longer wish of the service is honoured, up to a quarter of an hour', async () => {
  const answers = ['503 Busy\r\nRetry-After: 120', '503 Busy\r\nRetry-After: 999999'];
  const { service, slept } = await scene({ refuse: (index) => answers[index] });
  await eventually(() => service.connections.length === 1);
  expect(slept.slice(0, 2)).toEqual([about(122_500), about(902_500)]);
});

test('a service without our subprotocol is not talked to', async () => {
  const { service, log } = await scene({ subprotocol: 'chat' });
  await eventually(() => log.of('link.dial_failed').length > 0);
  expect(log.of('link.dial_failed')[0]?.fields.reason).toContain('passback.v1');
  expect(service.connections.flatMap(({ frames }) => frames)).toEqual([]);
});

test('a certificate of an unknown CA is not talked to, and the cure is named', async () => {
  const other = await createTestCa('Another CA');
  const { service, log } = await scene({}, { outbound: { trust: tlsTrust(other.ca) } });
  await eventually(() => log.of('link.dial_failed').length > 0);
  expect(log.of('link.dial_failed')[0]?.fields.reason).toContain('service.caFile');
  expect(service.upgrades).toBe(0);
});

test.each([
  ['refused', 'https://localhost:1', 'connection refused'],
  ['no host', 'https://nowhere.invalid', 'DNS'],
])('%s is said in words', async (_, url, words) => {
  const { log } = await scene({}, { urls: [url] });
  await eventually(() => log.of('link.dial_failed').length > 0, 10_000);
  expect(log.of('link.dial_failed')[0]?.fields.reason).toContain(words);
});

test.each([
  [4001, 'revoked'],
  [4007, 'passback-cloud agent enable'],
  [4007, 'passback-cloud agent enable'],
  [4003, 'newer agent'],
])('close code %i is taken for good: the agent stays up and asks rarely', async (code, words) => {
  const { service, log, slept, states, monitor } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  const seen: LinkReport[] = [];
  monitor.watch((report) => seen.push(report));
  service.connection().socket.close(code);
  await eventually(() => log.of('link.rejected').length === 1);
  expect(log.of('link.rejected')[0]).toMatchObject({ level: 'error' });
  expect(log.of('link.rejected')[0]?.fields.reason).toContain(words);
  expect(slept.at(-1)).toEqual(about(750_000));
  expect(states).toContain('rejected');
  const [report] = seen;
  expect(report).toMatchObject({
    state: 'rejected',
    url: service.url,
    lastFailure: { url: service.url, refused: true },
  });
  expect(report?.lastFailure?.reason).toContain(words);
  expect((report?.nextTryAt ?? 0) - (report?.since ?? 0)).toBeGreaterThanOrEqual(599_000);
});

test('addresses of one service are tried in turn at once, and the one that worked comes first', async () => {
  const authority = await createTestCa();
  const first = await SocketService.start({ authority, refuse: () => '503 Busy' });
  onTestFinished(() => first[Symbol.asyncDispose]());
  const second = await SocketService.start({ authority });
  onTestFinished(() => second[Symbol.asyncDispose]());
  const { log, slept, monitor } = await scene(
    {},
    {
      urls: ['https://localhost:1', first.url, second.url],
      outbound: { trust: tlsTrust(authority.ca) },
    },
  );
  await eventually(() => log.of('link.up').length === 1);
  expect(slept.filter((ms) => ms < 5_000)).toEqual([]);
  expect(log.of('link.dial_failed').map(({ fields }) => fields.url)).toEqual([
    'https://localhost:1',
    first.url,
  ]);
  expect(monitor.report).toMatchObject({
    state: 'ready',
    url: second.url,
    session: second.connection().session,
    issuer: 'CN=Passback Test CA',
  });
});

test('a hello that is refused for good is asked again rarely, with what the service said', async () => {
  const { log, slept } = await scene({
    behave: (connection) => {
      connection.challenge();
      connection.socket.once('message', (data) => {
        const { id } = JSON.parse((data as Buffer).toString()) as { id: number };
        const error = { code: -32_001, message: 'update it', data: { code: 'UPGRADE_REQUIRED' } };
        connection.send({ id, error });
        connection.socket.close(4003);
      });
    },
  });
  await eventually(() => log.of('link.rejected').length > 0);
  expect(log.of('link.rejected')[0]?.fields.reason).toContain('UPGRADE_REQUIRED');
  expect(slept).toContainEqual(about(750_000));
});

test.each(['EXPIRED', 'NOT_YET_VALID'])(
  'a token refused as %s is a matter of clocks, and of the next try',
  async (code) => {
    const { service, log, slept } = await scene({
      refuse: (index) => (index === 0 ? problem('401 Unauthorized', code) : undefined),
    });
    await eventually(() => log.of('link.up').length === 1);
    expect(log.of('link.dial_failed')[0]?.fields.reason).toContain('clocks');
    expect(Math.max(...slept.filter((ms) => ms !== 25_000))).toBeLessThanOrEqual(10_000);
    expect(service.upgrades).toBe(2);
  },
);

test('a goodbye of the service is honoured with its waiting time', async () => {
  const { service, log, slept } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  const params = { reason: 'maintenance', retryAfterMs: 45_000 };
  service.connection().send({ method: 'session.goodbye', params });
  service.connection().socket.close(1001);
  await eventually(() => log.of('link.up').length === 2);
  expect(log.of('link.down')[0]?.fields.reason).toContain('maintenance');
  expect(slept).toContainEqual(about(47_500));
});

test('a connection that is cut before TLS is up says that somebody is there who has no room', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.resetAndDestroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  await expect(
    dial(
      `https://127.0.0.1:${port}`,
      { outbound: { trust: undefined }, connectToken: async () => 'connect.token.here' },
      new AbortController().signal,
    ),
  ).rejects.toMatchObject({ code: 'TURNED_AWAY' });
});

test('how long the service has said that its agents need to come back is kept to', async () => {
  const { service, log, slept } = await scene({
    behave: (connection) => {
      connection.greet({ spreadMs: 40_000 });
    },
  });
  await eventually(() => log.of('link.up').length === 1);
  service.connection().socket.terminate();
  await eventually(() => log.of('link.up').length === 2);
  expect(slept).toContain(20_000);
});

test('draining says goodbye, answers what comes until the service has heard of it, closes with 1001', async () => {
  let finish: () => void = () => undefined;
  const { service, log, drain, ended, states } = await scene(
    {},
    {
      handlers: {
        'account.inspect': async () => ({ inspection: 'i.n.s' }),
        'command.execute': () =>
          new Promise((resolve) => {
            finish = () => {
              resolve({ outcome: 'o.u.t' });
            };
          }),
        'writeback.set': async () => ({ version: 1, enabled: true }),
        'session.renew': async () => ({ hello: HELLO }),
      },
    },
  );
  await eventually(() => log.of('link.up').length === 1);
  const connection = service.connection();
  connection.send(command);
  connection.send({ id: 8, method: 'account.inspect', params: { request: 'r.e.q' } });
  await eventually(() => connection.frames.some(({ id }) => id === 8));
  drain.abort();
  await eventually(() => states.includes('draining'));
  connection.send({ id: 9, method: 'account.inspect', params: { request: 'r.e.q' } });
  connection.send({ method: 'session.goodbye', params: { reason: 'go' } });
  await eventually(() => connection.frames.some(({ id }) => id === 9));
  expect(connection.closed).toBeUndefined();
  finish();
  await ended;
  await eventually(() => {
    expect(connection.closed).toEqual({ code: 1001 });
  });
  const last = connection.frames.slice(-2);
  expect(last).toMatchObject([
    { id: 9, result: { inspection: 'i.n.s' } },
    { id: 7, result: { outcome: 'o.u.t' } },
  ]);
  expect(connection.frames.at(-3)).toMatchObject({ method: 'session.goodbye' });
  expect(service.upgrades).toBe(1);
  expect(states.at(-1)).toBe('closed');
});

test('a command that outlasts the time for a drain is not waited for any longer', async () => {
  const { service, log, drain, ended, slept } = await scene(
    {},
    {
      drainMs: 7_000,
      handlers: {
        'account.inspect': async () => ({ inspection: 'i.n.s' }),
        'command.execute': () => new Promise(() => undefined), // for ever
        'writeback.set': async () => ({ version: 1, enabled: true }),
        'session.renew': async () => ({ hello: HELLO }),
      },
    },
  );
  await eventually(() => log.of('link.up').length === 1);
  const connection = service.connection();
  connection.send(command);
  drain.abort();
  await ended;
  expect(slept).toContain(7_000);
  await eventually(() => {
    expect(connection.closed).toEqual({ code: 1001 });
  });
});

test('aborting drops the connection at once', async () => {
  const { service, log, abort, ended } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  abort.abort();
  await ended;
  await eventually(() => {
    expect(service.connection().closed).toEqual({ code: 1006 });
  });
});

test('aborting while dialling a host that says nothing ends at once', async () => {
  const { service, abort, ended } = await scene({ refuse: () => '100 Continue' });
  await eventually(() => service.upgrades === 1);
  abort.abort();
  await ended;
});

test('a flood that the agent cannot answer fast enough costs the session, not the memory', async () => {
  const { service, log } = await scene();
  await eventually(() => log.of('link.up').length === 1);
  const { socket } = service.connection();
  socket.pause(); // answers pile up at the agent
  const flood = JSON.stringify({ jsonrpc: '2.0', id: 'x'.repeat(64), method: 'm', params: {} });
  for (let i = 0; i < 60_000; i++) socket.send(flood);
  await eventually(() => log.of('link.down').length === 1, 20_000);
  await eventually(() => log.of('link.up').length === 2);
});

test('a link through a proxy shows it, and a proxy that begins to open TLS is told by who signed before', async () => {
  const inspector = await createTestCa('Gateway 7');
  await using proxy = await ConnectProxy.start({
    act: (index) =>
      index === 0 ? { kind: 'tunnel' } : { kind: 'inspect', ca: inspector, upstreamCa: '' },
  });
  const authority = await createTestCa();
  const { service, log, monitor } = await scene(
    { authority },
    { outbound: { trust: tlsTrust(authority.ca), proxy: proxy.proxy } },
  );
  await eventually(() => log.of('link.up').length === 1);
  expect(monitor.report).toMatchObject({ state: 'ready', url: service.url, proxy: proxy.url });
  service.connection().send(command);
  await eventually(() => service.connection().frames.some(({ id }) => id === 7));
  service.connection().socket.close(1012);
  const [failed] = await eventually(() => {
    const found = log.of('link.dial_failed');
    expect(found).not.toEqual([]);
    return found;
  });
  expect(failed?.fields.reason).toContain('"CN=Gateway 7"');
  expect(failed?.fields.reason).toContain(
    'Until now its certificate was issued by "CN=Passback Test CA"',
  );
});
