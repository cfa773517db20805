/** With these, Node prints the headers of each request it sends, the bearer token among them. */
const HTTP_SECTIONS = ['HTTP', 'HTTPS'];

/**
 * Why the process may not start with this value of NODE_DEBUG; undefined when it may. `libraries`
 * are further sections that print secrets.
 */
export function nodeDebugProblem(
  nodeDebug: string | undefined,
  libraries: readonly string[] = [],
): string | undefined {
  const sections = [...libraries.map((name) => name.toUpperCase()), ...HTTP_SECTIONS];
  const wished = (nodeDebug ?? '').split(',').map(matcher);
  const printing = sections.filter((section) => wished.some((pattern) => pattern.test(section)));
  if (printing.length === 0) return undefined;
  const names = printing.map((name) => `\`${name.toLowerCase()}\``).join(', ');
  return `NODE_DEBUG would print secrets: take ${names} (and \`*\`) out of it`;
}

// As node:util's debuglog reads it: any case, `*` for anything.
function matcher(section: string): RegExp {
  const escaped = section.replaceAll(/[|\\{}()[\]^$+?.]/g, '\\$&').replaceAll('*', '.*');
  return new RegExp(`^${escaped}$`, 'i');
}

/** Why a process that speaks TLS may not start in this environment; undefined when it may. */
export function tlsVerificationProblem(env: {
  readonly NODE_TLS_REJECT_UNAUTHORIZED?: string;
}): string | undefined {
  // Node takes `0` alone for it (node:internal/options, getAllowUnauthorized).
  return env.NODE_TLS_REJECT_UNAUTHORIZED === '0'
    ? 'NODE_TLS_REJECT_UNAUTHORIZED=0 would switch the verification of certificates off: take it out of the environment, and name your own CA in the configuration'
    : undefined;
}
