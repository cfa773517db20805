import { sidOf } from '../../support/windows/access-list.ts';
import type { Native } from '../../support/windows/native.ts';
import { serviceSid } from '../../support/windows/virtual-account.ts';
import { UsageError } from '../../support/usage-error.ts';

/** Whom a service runs as, in the words of the service control manager. */
export interface ServiceAccount {
  readonly name: string;
  /** Whether Windows wants a password for it. */
  readonly needsPassword: boolean;
}

/** Those that Windows has itself, by any of their names. */
const BUILT_IN: Readonly<Partial<Record<string, string>>> = {
  localsystem: 'LocalSystem',
  'nt authority\\system': 'LocalSystem',
  'nt authority\\localservice': 'NT AUTHORITY\\LocalService',
  'nt authority\\networkservice': 'NT AUTHORITY\\NetworkService',
};

/**
 * The account that an admin means; without a name the virtual account of the service, which has no
 * password, no rights but its own and nothing to log on with. Throws `UsageError`.
 */
export function serviceAccount(service: string, name?: string): ServiceAccount {
  if (name === undefined) return { name: `NT SERVICE\\${service}`, needsPassword: false };
  const builtIn = BUILT_IN[name.toLowerCase()];
  if (builtIn !== undefined) return { name: builtIn, needsPassword: false };
  if (!/^[^\\/"[\]:|<>+=;,?*@]+\\[^\\/"[\]:|<>+=;,?*@]+$|^[^\\@\s]+@[^\\@\s]+$/.test(name)) {
    throw new UsageError(
      `--account: expected DOMAIN\\name, .\\name of this machine, or name@domain, and found ${JSON.stringify(name)}`,
    );
  }
  const isVirtual = name.toLowerCase().startsWith('nt service\\');
  // Managed accounts (gMSA) end in a dollar sign; Windows knows their passwords.
  return { name, needsPassword: !isVirtual && !name.endsWith('$') };
}

const WELL_KNOWN: Readonly<Partial<Record<string, string>>> = {
  LocalSystem: 'S-1-5-18',
  'NT AUTHORITY\\LocalService': 'S-1-5-19',
  'NT AUTHORITY\\NetworkService': 'S-1-5-20',
};

/** The SID of the account of a service, for access lists. Throws `WindowsError` where there is no such account. */
export function accountSid(native: Native, { name }: ServiceAccount): string {
  const [, virtual] = /^nt service\\(.+)$/i.exec(name) ?? [];
  // Windows knows it only once the service is there; its SID follows from the name.
  if (virtual !== undefined) return serviceSid(virtual);
  return WELL_KNOWN[name] ?? sidOf(native, name.startsWith('.\\') ? name.slice(2) : name);
}
