import { VERSION_KEY } from '../../support/config-version.ts';
import { SETTINGS } from '../config/settings.ts';

const KEYS: ReadonlySet<string> = new Set([VERSION_KEY, ...SETTINGS.map(({ key }) => key)]);

export function isKnownKey(key: string): boolean {
  return KEYS.has(key);
}

/** Settings that name accounts: without leave only how many. */
export const NAMES_ACCOUNTS: ReadonlySet<string> = new Set([
  'directory.bind.user',
  'guard.protectedAccounts',
  'guard.protectedGroups',
  'guard.allowedGroups',
  'guard.peers',
]);
