import { once } from 'node:events';
import { connect } from 'node:net';
import { GenericContainer } from 'testcontainers';
import { builtImage } from '../lab/image.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import type { TestCa } from '../support/test-ca.ts';

/** A real proxy in a container, on a port of this machine's loopback. */
export interface RunningProxy extends AsyncDisposable {
  readonly url: string;
  /** What it has printed so far. */
  readonly output: () => string;
}

export interface ProxyAccount {
  readonly user: string;
  readonly password: string;
}

/** tinyproxy, for one account only. */
export function startTinyproxy({ user, password }: ProxyAccount): Promise<RunningProxy> {
  return start((port) => ({
    command: ['tinyproxy', '-d', '-c', '/proxy/proxy.conf'],
    files: {
      'proxy.conf': [
        `Port ${port}`,
        'Listen 127.0.0.1',
        'Timeout 600',
        'MaxClients 20',
        'LogLevel Connect',
        `BasicAuth ${user} ${password}`,
      ],
    },
  }));
}

/** squid, for one account only. */
export function startSquid({ user, password }: ProxyAccount): Promise<RunningProxy> {
  return start((port) => ({
    command: ['sh', '-c', `${withUser(user, password)} && ${SQUID}`],
    files: {
      'proxy.conf': [
        `http_port 127.0.0.1:${port}`,
        'auth_param basic program /usr/lib/squid/basic_ncsa_auth /proxy/users',
        'auth_param basic children 1',
        'acl known proxy_auth REQUIRED',
        'http_access allow known',
        'http_access deny all',
        ...QUIET,
      ],
    },
  }));
}

/** squid as companies run it that read TLS: everything is opened, under certificates of `ca`. */
export function startInterceptingSquid(ca: TestCa, upstreamCa: string): Promise<RunningProxy> {
  return start((port) => ({
    command: ['sh', '-c', SQUID],
    files: {
      'ca.pem': [ca.ca],
      'ca.key': [ca.key],
      'upstream.pem': [upstreamCa],
      'proxy.conf': [
        `http_port 127.0.0.1:${port} ssl-bump tls-cert=/proxy/ca.pem tls-key=/proxy/ca.key generate-host-certificates=on`,
        'sslcrtd_program /usr/lib/squid/security_file_certgen -s /var/spool/squid/tls -M 4MB',
        'sslcrtd_children 1',
        'tls_outgoing_options cafile=/proxy/upstream.pem',
        'acl first at_step SslBump1',
        'ssl_bump peek first',
        'ssl_bump bump all',
        'http_upgrade_request_protocols websocket allow all',
        'http_access allow all',
        'logformat opened %rm %ru %>Hs',
        'access_log stdio:/proxy/access.log opened',
        ...QUIET,
      ],
    },
  }));
}

const SQUID = 'chown -R proxy /proxy && exec squid -N -d 1 -f /proxy/proxy.conf';

const QUIET = ['cache deny all', 'pid_filename none', 'shutdown_lifetime 0 seconds'];

/** By standard input, as no program's argument. */
function withUser(user: string, password: string): string {
  return `printf '%s:%s\\n' '${user}' "$(printf %s '${password}' | openssl passwd -apr1 -stdin)" >/proxy/users`;
}

interface Plan {
  readonly command: readonly string[];
  /** What is in `/proxy`, by name, as lines. */
  readonly files: Readonly<Record<string, readonly string[]>>;
}

async function start(plan: (port: number) => Plan): Promise<RunningProxy> {
  const image = await builtImage('passback-lab-proxies', 'test/proxy/image', (line) => {
    process.stderr.write(`${line}\n`);
  });
  const port = await freePort();
  const { command, files } = plan(port);
  const log: string[] = [];
  const container = await new GenericContainer(image)
    // What it is asked to reach is on this machine's loopback.
    .withNetworkMode('host')
    .withCopyContentToContainer(
      Object.entries(files).map(([name, lines]) => ({
        content: `${lines.join('\n')}\n`,
        target: `/proxy/${name}`,
      })),
    )
    .withCommand([...command])
    .withLogConsumer((stream) => stream.on('data', (line: Buffer) => log.push(line.toString())))
    .start();
  await eventually(() => answers(port), 30_000).catch(async (cause: unknown) => {
    await container.stop({ timeout: 1 });
    throw new Error(`the proxy did not start. It said:\n${log.slice(-25).join('')}`, { cause });
  });
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => log.join(''),
    [Symbol.asyncDispose]: async () => {
      await container.stop({ timeout: 1 });
    },
  };
}

async function answers(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
