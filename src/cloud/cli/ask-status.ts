import { isIPv6 } from 'node:net';
import { ServiceStatus } from '../health/service-status.ts';
import type { CloudConfig } from '../config/cloud-config.ts';

const WITHIN_MS = 3_000;
const MAX_BYTES = 1024 * 1024;

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
    // While the service is down, its port may be anybody's: who sends elsewhere, or sends without an end.
    const signal = AbortSignal.timeout(WITHIN_MS);
    const { body } = await fetch(at, { signal, redirect: 'error' });
    return ServiceStatus.parse(JSON.parse(await shortText(body)));
  } catch {
    return { problem: `no running service of this version answers at ${at}` };
  }
}

async function shortText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new RangeError('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
