import { once } from 'node:events';
import { request, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createHealthServer, type HealthOptions } from '../../src/cloud/health/health-server.ts';
import { systemClock } from '../../src/support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';

const READY = {
  isLoopback: true,
  metrics: { contentType: 'text/plain', text: () => Promise.resolve('up 1\n') },
  readiness: () => Promise.resolve(undefined),
  stuck: () => [],
  warnings: () => [],
  status: () => Promise.reject(new Error('not asked here')),
  clock: systemClock,
  log: new MemoryLog(),
} as unknown as HealthOptions;

class AskedServer implements AsyncDisposable {
  readonly #server: Server;
  /** How many questions have come. */
  asked = 0;

  private constructor(options: Partial<HealthOptions>) {
    this.#server = createHealthServer({ ...READY, ...options });
    this.#server.on('request', () => this.asked++);
  }

  static async start(options: Partial<HealthOptions>): Promise<AskedServer> {
    const started = new AskedServer(options);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  /** What is answered to a request that names `host`. */
  async ask(path: string, host = 'localhost'): Promise<readonly [number, string]> {
    const { port } = this.#server.address() as AddressInfo;
    const asking = request({ host: '127.0.0.1', port, path, headers: { host } }).end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return [response.statusCode ?? 0, await text(response)];
  }

  /** A connection that asks nothing by itself. */
  open(): Socket {
    return connect((this.#server.address() as AddressInfo).port, '127.0.0.1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

test.each(['localhost', '127.0.0.1:9465', '[::1]:9465'])(
  'on the loopback interface, whoever asks %s is answered',
  async (host) => {
    await using server = await AskedServer.start({ isLoopback: true });
    expect(await server.ask('/livez', host)).toEqual([200, 'ok\n']);
  },
);

test('on the loopback interface, a page whose own name leads there is not answered', async () => {
  await using server = await AskedServer.start({ isLoopback: true });
  expect(await server.ask('/livez', 'evil.example:9465')).toEqual([
    421,
    '"evil.example" is not this machine\n',
  ]);
});

test('where other machines may ask, the service is asked by any name', async () => {
  await using server = await AskedServer.start({ isLoopback: false });
  expect(await server.ask('/livez', 'reset-1.example.com:9465')).toEqual([200, 'ok\n']);
});

test.each(['/metrics', '/status.json'])(
  'where the database takes too long, who asks for %s is told so, and the database is not asked again',
  async (path) => {
    let asked = 0;
    const never = (): Promise<never> => {
      asked += 1;
      return new Promise(() => undefined);
    };
    await using server = await AskedServer.start({
      metrics: { contentType: 'text/plain', text: never },
      status: never,
      clock: new FakeClock(), // as if that time were over
    } as unknown as Partial<HealthOptions>);
    for (let times = 0; times < 2; times++) {
      expect(await server.ask(path)).toEqual([503, 'the database takes too long to answer\n']);
    }
    expect(asked).toBe(1);
  },
);

test(
  'whoever opens connections and asks nothing keeps supervisors out for seconds only',
  {
    timeout: 15_000, // Node would look only each 30 s
  },
  async () => {
    await using server = await AskedServer.start({});
    const idle = Array.from({ length: 64 }, () => server.open());
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    for (const socket of idle) socket.write('GET /livez HTTP/1.1\r\n');
    await expect(server.ask('/livez')).rejects.toThrow();
    await Promise.all(idle.map((socket) => once(socket.resume(), 'close')));
    expect(await server.ask('/livez')).toEqual([200, 'ok\n']);
  },
);

test.each(['/metrics', '/status.json'])(
  'the database is asked once for all who ask for %s at once, and anew for who asks later',
  async (path) => {
    const underWay: ((answer: Promise<string>) => void)[] = [];
    const answer = (): Promise<string> => new Promise((resolve) => underWay.push(resolve));
    await using server = await AskedServer.start({
      metrics: { contentType: 'text/plain', text: answer },
      status: answer,
    } as unknown as Partial<HealthOptions>);

    const crowd = Array.from({ length: 20 }, () => server.ask(path));
    await eventually(() => server.asked === crowd.length);
    expect(underWay).toHaveLength(1);
    underWay[0]?.(Promise.reject(new Error('the database is away')));
    for (const [code] of await Promise.all(crowd)) expect(code).toBe(500);

    const later = server.ask(path);
    await eventually(() => underWay.length === 2);
    underWay[1]?.(Promise.resolve('made anew'));
    expect((await later)[1]).toContain('made anew');
  },
);
