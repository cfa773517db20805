import { expect, test } from 'vitest';
import { isExempt, noProxyProblem } from '../../../src/support/no-proxy.ts';

test.each([
  ['reset.example.com', 443, '*', true],
  ['reset.example.com', 443, 'reset.example.com', true],
  ['reset.example.com', 443, 'RESET.Example.Com.', true],
  ['reset.example.com.', 443, 'reset.example.com', true],
  ['reset.example.com', 443, 'example.com', true],
  ['reset.example.com', 443, '.example.com', true],
  ['reset.example.com', 443, '*.example.com', true],
  ['example.com', 443, 'example.com', true],
  ['example.com', 443, '.example.com', false],
  ['badexample.com', 443, 'example.com', false],
  ['reset.example.com.evil.test', 443, 'example.com', false],
  ['reset.example.com', 443, 'reset.example.com:443', true],
  ['reset.example.com', 8443, 'reset.example.com:443', false],
  ['reset.example.com', 8443, '.example.com:8443', true],
  ['10.1.2.3', 443, '10.1.2.3', true],
  ['10.1.2.3', 443, '10.0.0.0/8', true],
  ['11.1.2.3', 443, '10.0.0.0/8', false],
  ['10.1.2.3', 443, '1.2.3', false],
  ['10.1.2.3', 8443, '10.1.2.3:443', false],
  ['reset.example.com', 443, '0.0.0.0/0', false],
  ['fd00::1', 443, 'fd00::1', true],
  ['fd00::1', 443, 'fd00:0:0:0:0:0:0:1', true],
  ['fd00::1', 443, '[fd00::1]', true],
  ['fd00::1', 443, '[fd00::1]:443', true],
  ['fd00::1', 8443, '[fd00::1]:443', false],
  ['fd00::1', 443, 'fd00::/8', true],
  ['10.1.2.3', 443, 'fd00::/8', false],
  ['::1', 443, 'localhost', false],
] as const)('%s:%i against %s: %s', (host, port, entry, expected) => {
  expect(isExempt({ host, port }, ['other.test', entry])).toBe(expected);
});

test('nothing is exempt from an empty list', () => {
  expect(isExempt({ host: 'reset.example.com', port: 443 }, [])).toBe(false);
});

test.each([
  '*',
  'a',
  'a.b',
  '.a.b',
  '*.a.b',
  'a.b:1',
  '10.0.0.1',
  '10.0.0.0/8',
  '[::1]:443',
  '::1',
  'fd00::/8',
])('%s is an exception', (entry) => {
  expect(noProxyProblem(entry)).toBeUndefined();
});

test.each([
  '',
  'a b',
  'http://a',
  'a.b:0',
  'a.b:70000',
  '10.0.0.0/33',
  '10.0.0.0/',
  '/8',
  '*.*',
  'a,b',
  '10.0.0.0/8/8',
])('%j is none', (entry) => {
  expect(noProxyProblem(entry)).toBeDefined();
});
