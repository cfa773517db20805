/** Names under which a program on this machine reaches a port of its loopback interface. */
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Why a request that came over the loopback interface is not answered; undefined when it may be. A page
 * in a browser on this machine brings its own name along as the host (DNS rebinding).
 */
export function foreignHost(header = ''): string | undefined {
  const host = header.replace(/:\d{1,5}$/, '').toLowerCase();
  return LOOPBACK_HOSTS.has(host) ? undefined : `${JSON.stringify(host)} is not this machine\n`;
}
