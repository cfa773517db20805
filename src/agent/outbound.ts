import { readFile } from 'node:fs/promises';
import type { Clock } from '../support/clock.ts';
import type { HttpProxy } from '../support/http-proxy.ts';
import { ProxyLogin } from '../support/proxy-login.ts';
import type { Outbound } from '../support/secure-connection.ts';
import { systemCas } from '../support/system-cas.ts';
import { tlsTrust } from '../support/tls-trust.ts';
import type { AgentConfig } from './config/agent-config.ts';
import type { ProxySettings } from './config/proxy-settings.ts';

/** How the configuration says that the service is reached. Rejects with Node's coded errors of its files. */
export async function openOutbound(
  service: Omit<AgentConfig['service'], 'urls'>,
  clock: Clock,
): Promise<Outbound> {
  const { caFile, systemCa, proxy, noProxy } = service;
  const system = systemCa ? await systemCas() : [];
  const trust = tlsTrust(...system, await textOf(caFile));
  if (proxy === undefined) return { trust, noProxy };
  return { trust, noProxy, proxy: await openProxy(proxy, system, clock) };
}

async function openProxy(
  { url, setting, caFile, credentialsFile }: ProxySettings,
  system: readonly string[],
  clock: Clock,
): Promise<HttpProxy> {
  return {
    url,
    setting,
    trust: url.startsWith('https:') ? tlsTrust(...system, await textOf(caFile)) : undefined,
    ...(credentialsFile !== undefined && { login: new ProxyLogin(credentialsFile, clock) }),
  };
}

async function textOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readFile(path, 'utf8');
}
