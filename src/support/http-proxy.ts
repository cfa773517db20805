import type { SecureContext } from 'node:tls';
import type { HostAndPort } from './no-proxy.ts';
import type { ProxyLogin } from './proxy-login.ts';

/** An HTTP proxy that CONNECT is asked of. */
export interface HttpProxy {
  /** `http:` or `https:` with host and port; never with a user or a password. */
  readonly url: string;
  /** What names it: a setting, or a variable of the environment. */
  readonly setting: string;
  /** For `https:`; absent: Node's own CAs. */
  readonly trust: SecureContext | undefined;
  readonly login?: ProxyLogin;
}

/** What is wrong with the address of a proxy, or undefined. Quotes nothing of it: it may hold a password. */
export function proxyUrlProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    return `expected ${PROXY_URL_EXPECTED}`;
  }
  if (url.username !== '' || url.password !== '') return NO_LOGIN_IN_URL;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return `expected ${PROXY_URL_EXPECTED}; only HTTP proxies are spoken to, not ${url.protocol}//`;
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return 'expected nothing behind the port';
  }
  return undefined;
}

export const PROXY_URL_EXPECTED = 'the address of a proxy, such as http://proxy.example.com:3128';

/** Whoever can list processes can read the environment of many, and configuration files are copied around. */
const NO_LOGIN_IN_URL =
  'holds a user name or a password, which do not belong there: write user:password to a file that only the account of the agent can read, and name that file in service.proxy.credentialsFile';

/** Where a URL's connection goes. */
export function hostAndPort(url: URL): HostAndPort {
  const port = url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}

/** As it stands in a request line, in a message or in a log (RFC 9110 section 7.2). */
export function authority({ host, port }: HostAndPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
