import { PROTOCOLS, protocolsInWords } from '../../protocol/protocol-range.ts';
import type { HelloClaims } from '../../protocol/status.ts';
import { packageVersion } from '../../support/version.ts';

/** Agents below this are asked to update. */
export const OLDEST_VERSION = '0.1.0';

/** Whether a version such as `1.2.3` comes before another; what is no version does. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [parse(version), parse(than)];
  if (a === undefined || b === undefined) return a === undefined;
  const index = a.findIndex((part, at) => part !== b[at]);
  return index >= 0 && (a[index] ?? 0) < (b[index] ?? 0);
}

function parse(version: string): readonly number[] | undefined {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?$/.exec(version);
  return match?.slice(1).map(Number);
}

/** Why an agent is not served, for people on both sides. */
export function whyNotServed({
  version,
  protocols,
}: Pick<HelloClaims, 'version' | 'protocols'>): string {
  if (isOlder(version, OLDEST_VERSION)) {
    return `the agent has version ${version}, this service works with ${OLDEST_VERSION} or newer: update the agent`;
  }
  const older = protocols.min > PROTOCOLS.max ? 'the service' : 'the agent';
  return `the agent (version ${version}) speaks ${protocolsInWords(protocols)}, the service (version ${packageVersion()}) ${protocolsInWords(PROTOCOLS)}: update ${older}`;
}
