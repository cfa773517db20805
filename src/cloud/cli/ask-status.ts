import { isIPv6 } from 'node:net';
import { ServiceStatus } from '../health/service-status.ts';
import type { CloudConfig } from '../config/cloud-config.ts';

const WITHIN_MS = 3_000;

/** Where a service that listens everywhere can be asked from its own machine. */
const OWN: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * What the service that runs with these settings says of itself, by its schema; why not, where none of
 * this version answers. Never rejects.
 */
export async function askStatus({
  host,
  port,
}: CloudConfig['health']): Promise<ServiceStatus | { readonly problem: string }> {
  const own = OWN[host] ?? host;
  const at = `http://${isIPv6(own) ? `[${own}]` : own}:${port}/status.json`;
  try {
    const response = await fetch(at, {
      signal: AbortSignal.timeout(WITHIN_MS),
      redirect: 'error', // while the service is down, its port may be anybody's
    });
    return ServiceStatus.parse(await response.json());
  } catch {
    return { problem: `no running service of this version answers at ${at}` };
  }
}
