import type { ConfigProblem } from '../../support/config-error.ts';
import { proxyUrlProblem } from '../../support/http-proxy.ts';
import { noProxyProblem } from '../../support/no-proxy.ts';
import type { Environment } from '../../support/terminal.ts';

/** The HTTP proxy on the way to the service. */
export interface ProxySettings {
  readonly url: string;
  /** What names it: `service.proxy.url`, or a variable of the environment. */
  readonly setting: string;
  readonly credentialsFile?: string;
  /** For a proxy that is reached by https. */
  readonly caFile?: string;
}

export interface ResolvedProxy {
  readonly proxy?: ProxySettings;
  readonly noProxy: readonly string[];
  readonly problems: readonly ConfigProblem[];
}

/** Settings that are good by themselves, by key. */
type Good = ReadonlyMap<string, unknown>;

/** The proxy of the settings, else the one that HTTPS_PROXY and NO_PROXY name, unless all is exempt. */
export function resolveProxy(good: Good, env: Environment): ResolvedProxy {
  const configured = (good.get('service.noProxy') ?? []) as readonly string[];
  const url = good.get('service.proxy.url');
  const named =
    typeof url === 'string' ? { url, setting: 'service.proxy.url' } : fromEnvironment(env);
  if (named === undefined || (configured.includes('*') && typeof url !== 'string')) {
    return { noProxy: configured, problems: withoutProxy(good, configured) };
  }
  const { setting } = named;
  const problem = typeof url === 'string' ? undefined : proxyUrlProblem(named.url);
  if (problem !== undefined) {
    return { noProxy: configured, problems: [{ key: setting, problem: `${problem}${EMPTY}` }] };
  }
  const files = { ...fileOf(good, 'credentialsFile'), ...fileOf(good, 'caFile') };
  const isFromEnvironment = typeof url !== 'string';
  return {
    proxy: { ...named, ...files },
    noProxy: isFromEnvironment && configured.length === 0 ? exceptions(env) : configured,
    problems: uselessCa(named.url, files.caFile),
  };
}

const EMPTY =
  '. (A proxy of the environment is not used where service.proxy.url is set, or service.noProxy is `*`.)';

function fromEnvironment(env: Environment): Omit<ProxySettings, 'credentialsFile'> | undefined {
  const found = firstOf(env, 'HTTPS_PROXY', 'https_proxy');
  if (found === undefined) return undefined;
  const { name, value } = found;
  // Most programs take `host:port` for http.
  return { url: value.includes('://') ? value : `http://${value}`, setting: name };
}

function exceptions(env: Environment): readonly string[] {
  const { value = '' } = firstOf(env, 'NO_PROXY', 'no_proxy') ?? {};
  // It was written for other programs, too: what is not understood is for one of them.
  return value.split(/[\s,]+/).filter((item) => item !== '' && noProxyProblem(item) === undefined);
}

function firstOf(
  env: Environment,
  ...names: readonly string[]
): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    const value = env[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return undefined;
}

function fileOf<K extends 'credentialsFile' | 'caFile'>(
  good: Good,
  name: K,
): Partial<Record<K, string>> {
  const path = good.get(`service.proxy.${name}`);
  return (typeof path === 'string' ? { [name]: path } : {}) as Partial<Record<K, string>>;
}

function withoutProxy(good: Good, noProxy: readonly string[]): readonly ConfigProblem[] {
  if (noProxy.includes('*')) return [];
  return ['service.proxy.credentialsFile', 'service.proxy.caFile']
    .filter((key) => typeof good.get(key) === 'string')
    .map((key) => ({ key, problem: 'there is no proxy; give service.proxy.url, too' }));
}

function uselessCa(url: string, caFile: string | undefined): readonly ConfigProblem[] {
  if (caFile === undefined || url.startsWith('https:')) return [];
  const problem =
    'is only for a proxy that is reached by https; the CA of what inspects TLS goes into service.caFile';
  return [{ key: 'service.proxy.caFile', problem }];
}
