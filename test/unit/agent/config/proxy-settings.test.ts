import { expect, test } from 'vitest';
import { resolveProxy } from '../../../../src/agent/config/proxy-settings.ts';

const CONFIGURED = 'http://proxy.example.com:3128';

test('a configured proxy wins over the environment, whose exceptions do not count then', () => {
  const good = new Map([['service.proxy.url', CONFIGURED]]);
  const env = { HTTPS_PROXY: 'http://joe:planted@other:8080', NO_PROXY: 'reset.example.com' };
  expect(resolveProxy(good, env)).toEqual({
    proxy: { url: CONFIGURED, setting: 'service.proxy.url' },
    noProxy: [],
    problems: [],
  });
});

test.each([
  [{ HTTPS_PROXY: 'http://a:1' }, { url: 'http://a:1', setting: 'HTTPS_PROXY' }],
  [{ https_proxy: 'https://a' }, { url: 'https://a', setting: 'https_proxy' }],
  [{ HTTPS_PROXY: 'a:1' }, { url: 'http://a:1', setting: 'HTTPS_PROXY' }],
  [
    { HTTPS_PROXY: ' ', https_proxy: 'http://b:1' },
    { url: 'http://b:1', setting: 'https_proxy' },
  ],
  [{ HTTP_PROXY: 'http://a:1' }, undefined],
  [{}, undefined],
])('%j alone means the proxy %j', (env, proxy) => {
  expect(resolveProxy(new Map(), env).proxy).toEqual(proxy);
});

test('the exceptions of the environment are read without those that only other programs understand', () => {
  const env = { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'localhost, .corp.test,,<local> 10.0.0.0/8' };
  expect(resolveProxy(new Map(), env).noProxy).toEqual(['localhost', '.corp.test', '10.0.0.0/8']);
});

test('configured exceptions replace those of the environment', () => {
  const good = new Map([['service.noProxy', ['a.b']]]);
  const env = { HTTPS_PROXY: 'http://a:1', NO_PROXY: 'c.d' };
  expect(resolveProxy(good, env).noProxy).toEqual(['a.b']);
});

test('a password in the environment is refused, with where it belongs, and not quoted', () => {
  const { proxy, problems } = resolveProxy(new Map(), { HTTPS_PROXY: 'joe:planted@a:1' });
  expect(proxy).toBeUndefined();
  expect(problems).toMatchObject([{ key: 'HTTPS_PROXY' }]);
  expect(problems[0]?.problem).toContain('service.proxy.credentialsFile');
  expect(problems[0]?.problem).not.toContain('planted');
});

test('a proxy of the environment is not even looked at where everything is exempt', () => {
  const good = new Map([['service.noProxy', ['*']]]);
  const env = { HTTPS_PROXY: 'http://joe:planted@a:1' };
  expect(resolveProxy(good, env)).toEqual({ noProxy: ['*'], problems: [] });
});

test('credentials also serve the proxy of the environment', () => {
  const good = new Map([['service.proxy.credentialsFile', '/etc/passback/proxy-login']]);
  const { proxy } = resolveProxy(good, { HTTPS_PROXY: 'http://a:1' });
  expect(proxy?.credentialsFile).toBe('/etc/passback/proxy-login');
});

test('files for a proxy that is not there are a mistake', () => {
  const good = new Map([
    ['service.proxy.credentialsFile', '/login'],
    ['service.proxy.caFile', '/ca.pem'],
  ]);
  expect(resolveProxy(good, {}).problems.map(({ key }) => key)).toEqual([...good.keys()]);
});

test('the CA of a proxy that is not reached by TLS is a mistake', () => {
  const good = new Map([
    ['service.proxy.url', CONFIGURED],
    ['service.proxy.caFile', '/ca.pem'],
  ]);
  expect(resolveProxy(good, {}).problems).toMatchObject([{ key: 'service.proxy.caFile' }]);
});
