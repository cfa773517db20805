import type { Native } from './native.ts';
import { bindSecurity, textOfSid, withDescriptor } from './security-functions.ts';

/** Well-known identifiers (MS-DTYP 2.4.2.4), as SDDL writes them. */
export const SYSTEM = 'SY';
export const ADMINISTRATORS = 'BA';

/** What an account may do; the words of icacls for them are F, M, RX and R. */
export type Access = 'full' | 'modify' | 'enter' | 'read';

/** Masks of winnt.h: FILE_ALL_ACCESS and so on. */
const MASKS: Readonly<Record<Access, string>> = {
  full: 'FA',
  modify: '0x1301bf',
  enter: '0x1200a9',
  read: 'FR',
};

export interface Entry {
  /** SID, or one of the two above. */
  readonly who: string;
  readonly access: Access;
}

/**
 * The security descriptor (SDDL, MS-DTYP 2.5.1) that lets in these and nobody else, inheriting nothing.
 * What is in a folder inherits from it.
 */
export function accessList(kind: 'file' | 'folder', entries: readonly Entry[]): string {
  const inherited = kind === 'folder' ? 'OICI' : '';
  return `D:P${entries.map(({ who, access }) => `(A;${inherited};${MASKS[access]};;;${who})`).join('')}`;
}

/** DACL_SECURITY_INFORMATION and PROTECTED_DACL_SECURITY_INFORMATION. */
const PROTECTED_DACL = 0x8000_0004;

/** Replaces the access list of a file or folder; its owner stays. Throws `WindowsError`. */
export function setAccessList(native: Native, path: string, sddl: string): void {
  withDescriptor(native, { path, sddl }, (descriptor) => {
    if (bindSecurity(native).SetFileSecurityW(path, PROTECTED_DACL, descriptor) === 0) {
      throw native.failure(`the access list of ${path} cannot be set`);
    }
  });
}

/** Bytes that the longest SID and the longest name of a domain need. */
const ROOM = 1_024;

/** The SID of an account by its name. Throws `WindowsError`. */
export function sidOf(native: Native, account: string): string {
  const sid = Buffer.alloc(ROOM);
  const found = bindSecurity(native).LookupAccountNameW(
    null,
    account,
    sid,
    [ROOM],
    Buffer.alloc(ROOM),
    [ROOM / 2],
    [0],
  );
  if (found === 0) throw native.failure(`the account ${account} cannot be looked up`);
  return textOfSid(native, sid, `the account ${account}`);
}
