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
