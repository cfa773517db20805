import type { DomainController } from './agent-config.ts';
import { shown } from '../../support/shown.ts';

export const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

const CONTROLLER_KEYS: readonly (keyof DomainController)[] = ['name', 'address', 'port'];

/** Ports that a domain controller listens on and that the agent must not use. */
const WRONG_PORTS: Readonly<Partial<Record<number, string>>> = {
  389: 'port 389 is plain LDAP; the agent speaks LDAPS only (port 636)',
  3268: 'port 3268 is the global catalog, which takes no writes; use port 636',
  3269: 'port 3269 is the global catalog, which takes no writes; use port 636',
};

/** `name`, `name:port`, `name@address`, `name@address:port`. */
export function controllerFromText(text: string): unknown {
  const [, name, address, port] = /^([^@:]+)(?:@([^:]+|\[.+\]))?(?::(\d+))?$/.exec(text) ?? [];
  if (name === undefined) return text;
  return {
    name,
    ...(address !== undefined && { address: address.replace(/^\[|\]$/g, '') }),
    ...(port !== undefined && { port: Number(port) }),
  };
}

/** What is wrong with one domain controller of the list, or undefined. */
export function controllerProblem(item: unknown): string | undefined {
  if (typeof item === 'string') {
    return /^ldaps?:/i.test(item)
      ? `${shown(item)}: give name and port without ldap:// or ldaps://; the agent speaks LDAPS only`
      : `${shown(item)} is no mapping; write name: ${item.slice(0, 64)}`;
  }
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    return `${shown(item)} is no mapping with a name`;
  }
  const unknown = Object.keys(item).filter((key) => !CONTROLLER_KEYS.includes(key as never));
  if (unknown.length > 0) return `${unknown.map(shown).join(', ')} is not known there`;
  return placeProblem(item);
}

function placeProblem({
  name,
  address,
  port,
}: Partial<Record<keyof DomainController, unknown>>): string | undefined {
  if (typeof name !== 'string' || !HOST_NAME.test(name)) {
    return `name ${shown(name)} is no DNS name; it has to be the one in the certificate`;
  }
  if (address !== undefined && (typeof address !== 'string' || /[\s/]|^$/.test(address))) {
    return `address ${shown(address)} of ${name} is neither an IP address nor a host name`;
  }
  return port === undefined ? undefined : portProblem(name, port);
}

function portProblem(name: string, port: unknown): string | undefined {
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535) {
    return `port ${shown(port)} of ${name} is no port`;
  }
  const why = WRONG_PORTS[Number(port)];
  return why === undefined ? undefined : `${name}: ${why}`;
}
