/**
 * Why the process may not start with this value of NODE_DEBUG; undefined when it may. With a match
 * for `ldapts` the LDAP library prints every request, the bytes of new passwords among them.
 */
export function nodeDebugProblem(nodeDebug: string | undefined): string | undefined {
  const prints = (nodeDebug ?? '').split(',').some((section) => matcher(section).test('LDAPTS'));
  return prints
    ? 'NODE_DEBUG prints the passwords of LDAP requests: take `ldapts` and `*` out of it'
    : undefined;
}

// As node:util's debuglog reads it: any case, `*` for anything.
function matcher(section: string): RegExp {
  const escaped = section.replaceAll(/[|\\{}()[\]^$+?.]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 'i');
}
