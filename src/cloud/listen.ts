import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../support/config-error.ts';

/** Connections that the kernel holds while this process is busy; it has a limit of its own (somaxconn). */
const BACKLOG = 4_096;

export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

/** Starts to listen. Rejects with a `ConfigError` that names the settings below `group`. */
export async function listen(
  server: Server,
  group: string,
  { host, port }: ListenAt,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const why = failures(group)[codeOf(error)] ?? codeOf(error);
      const problem = `cannot listen on ${host} port ${port}: ${why}`;
      reject(new ConfigError([{ key: `${group}.port`, problem }]));
    });
    server.listen(port, host, BACKLOG, resolve);
  });
}

/** Where a server listens, as a URL. */
export function addressOf(server: Server, scheme: 'http' | 'https', host: string): string {
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Takes no new connection, lets what is under way end until `grace` is over. */
export async function stopListening(server: Server, grace: Promise<void>): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  server.closeIdleConnections();
  await Promise.race([closed, grace]);
  server.closeAllConnections();
  await closed;
}

function failures(group: string): Readonly<Partial<Record<string, string>>> {
  return {
    EADDRINUSE: 'it is in use; choose another port or stop what uses it',
    EACCES:
      'this account may not open it; ports below 1024 need CAP_NET_BIND_SERVICE, or choose another',
    EADDRNOTAVAIL: `this machine does not have that address; look at ${group}.host`,
    ENOTFOUND: `that host name is not known; look at ${group}.host`,
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
}
