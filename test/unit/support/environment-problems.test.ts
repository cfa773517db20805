import { describe, expect, test } from 'vitest';
import { nodeDebugProblem } from '../../../src/support/environment-problems.ts';

describe('a start with NODE_DEBUG', () => {
  test.each([undefined, '', 'tls,net', 'ldap', 'xldapts', 'httpx', 'worker*'])(
    '%j goes on',
    (value) => {
      expect(nodeDebugProblem(value, ['ldapts'])).toBeUndefined();
    },
  );

  test.each(['ldapts', 'LDAPTS', 'net,ldapts', '*', 'ldap*', '*apts', 'http', 'HTTPS', 'h*'])(
    '%j is refused',
    (value) => {
      expect(nodeDebugProblem(value, ['ldapts'])).toContain('NODE_DEBUG');
    },
  );

  test('is refused for what this program would print, and named', () => {
    expect(nodeDebugProblem('ldapts')).toBeUndefined();
    expect(nodeDebugProblem('https')).toContain('`https`');
  });
});
