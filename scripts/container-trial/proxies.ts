import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestCertificate } from '../../test/support/test-ca.ts';

/** In the order in which they are tried. */
export const PROXIES = ['caddy', 'nginx'] as const;
export type ProxyName = (typeof PROXIES)[number];

/** Files of this machine that a proxy is started with, and the CA of its certificate. */
export interface ProxyFiles {
  readonly folder: string;
  readonly ca: string;
}

/** Longer than an agent's ping, and short enough to be waited for. */
export const IDLE_S = 30;

/** Writes the shipped configurations, with what a trial needs in place of what only the internet has. */
export async function proxyFiles(
  root: string,
  folder: string,
  { ca, cert, key }: TestCertificate,
): Promise<ProxyFiles> {
  const shipped = (name: string): Promise<string> =>
    readFile(join(root, 'service/container', name), 'utf8');
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
  await write('cert.pem', cert);
  await write('key.pem', key);
  // Caddy gets its certificate by itself where it can be reached from the internet.
  const site = 'reset.example.com {\n';
  const caddy = replaced(await shipped('Caddyfile'), site, `${site}\ttls /cert.pem /key.pem\n`);
  await write('Caddyfile', caddy);
  const timeout = 'proxy_read_timeout 75s';
  const nginx = replaced(await shipped('nginx.conf'), timeout, `proxy_read_timeout ${IDLE_S}s`);
  await write('nginx.conf', nginx);
  return { folder, ca };
}

function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the shipped configuration has no ${from.trim()}`);
  return text.replace(from, to);
}

/** Where a proxy's files go inside, and what it is started with. */
export function proxyContainer(
  proxy: ProxyName,
  { folder }: ProxyFiles,
): { readonly files: Readonly<Record<string, string>>; readonly command: readonly string[] } {
  const here = (name: string): string => join(folder, name);
  if (proxy === 'caddy') {
    return {
      files: {
        '/etc/caddy/Caddyfile': here('Caddyfile'),
        '/cert.pem': here('cert.pem'),
        '/key.pem': here('key.pem'),
      },
      command: ['caddy', 'run', '--config', '/etc/caddy/Caddyfile'],
    };
  }
  return {
    files: {
      '/etc/nginx/conf.d/passback.conf': here('nginx.conf'),
      '/etc/ssl/certs/reset.example.com.pem': here('cert.pem'),
      '/etc/ssl/private/reset.example.com.key': here('key.pem'),
    },
    command: ['nginx', '-g', 'daemon off;'],
  };
}
