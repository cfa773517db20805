import { expect, test } from 'vitest';
import { authority, hostAndPort, proxyUrlProblem } from '../../../src/support/http-proxy.ts';

test.each([
  'http://proxy.example.com:3128',
  'https://proxy.example.com',
  'http://10.0.0.1:8080/',
  'http://[fd00::1]:3128',
])('%s is the address of a proxy', (text) => {
  expect(proxyUrlProblem(text)).toBeUndefined();
});

test.each([
  ['no scheme', 'proxy.example.com:3128', 'such as http://'],
  ['another protocol', 'socks5://proxy.example.com:1080', 'only HTTP proxies'],
  ['a user and a password', 'http://joe:planted@proxy.example.com:3128', 'credentialsFile'],
  ['a user', 'http://joe@proxy.example.com:3128', 'credentialsFile'],
  ['a password of any other protocol', 'socks5://joe:planted@proxy:1080', 'credentialsFile'],
  ['a path', 'http://proxy.example.com:3128/wpad.dat', 'behind the port'],
  ['nonsense', 'http://', 'such as http://'],
])('%s is told and not quoted', (_, text, words) => {
  const problem = proxyUrlProblem(text);
  expect(problem).toContain(words);
  expect(problem).not.toContain('planted');
});

test.each([
  ['https://reset.example.com', 'reset.example.com:443'],
  ['wss://reset.example.com/pass/back', 'reset.example.com:443'],
  ['https://reset.example.com:8443', 'reset.example.com:8443'],
  ['http://proxy', 'proxy:80'],
  ['https://[fd00::1]', '[fd00::1]:443'],
  ['https://10.0.0.1:443', '10.0.0.1:443'],
])('a connection for %s goes to %s', (url, expected) => {
  expect(authority(hostAndPort(new URL(url)))).toBe(expected);
});
