import type { Native, Pointer } from './native.ts';

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

interface Advapi {
  readonly ConvertStringSecurityDescriptorToSecurityDescriptorW: (
    sddl: string,
    revision: number,
    descriptor: Pointer[],
    size: null,
  ) => number;
  readonly SetFileSecurityW: (path: string, information: number, descriptor: Pointer) => number;
  readonly LookupAccountNameW: (
    system: null,
    name: string,
    sid: Buffer | null,
    sidSize: number[],
    domain: Buffer | null,
    domainSize: number[],
    use: number[],
  ) => number;
  readonly ConvertSidToStringSidW: (sid: Buffer, text: Pointer[]) => number;
}

/** Replaces the access list of a file or folder. Throws `WindowsError`. */
export function setAccessList(native: Native, path: string, sddl: string): void {
  const advapi = bind(native);
  const descriptor: Pointer[] = [null];
  if (
    advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, 1, descriptor, null) === 0
  ) {
    throw native.failure(`the access list for ${path} cannot be made`);
  }
  const [made = null] = descriptor;
  try {
    if (advapi.SetFileSecurityW(path, PROTECTED_DACL, made) === 0) {
      throw native.failure(`the access list of ${path} cannot be set`);
    }
  } finally {
    native.free(made);
  }
}

/** Bytes that the longest SID and the longest name of a domain need. */
const ROOM = 1_024;

/** The SID of an account by its name. Throws `WindowsError`. */
export function sidOf(native: Native, account: string): string {
  const advapi = bind(native);
  const sid = Buffer.alloc(ROOM);
  const found = advapi.LookupAccountNameW(
    null,
    account,
    sid,
    [ROOM],
    Buffer.alloc(ROOM),
    [ROOM / 2],
    [0],
  );
  if (found === 0) throw native.failure(`the account ${account} cannot be looked up`);
  const text: Pointer[] = [null];
  if (advapi.ConvertSidToStringSidW(sid, text) === 0) {
    throw native.failure(`the account ${account} has no SID`);
  }
  return native.takeText(text[0] ?? null);
}

function bind(native: Native): Advapi {
  return native.bind<Advapi>('advapi32.dll', {
    ConvertStringSecurityDescriptorToSecurityDescriptorW:
      'int ConvertStringSecurityDescriptorToSecurityDescriptorW(str16 text, uint32 revision, _Out_ void **descriptor, void *size)',
    SetFileSecurityW: 'int SetFileSecurityW(str16 path, uint32 information, void *descriptor)',
    LookupAccountNameW:
      'int LookupAccountNameW(void *system, str16 name, void *sid, _Inout_ uint32 *sidSize, void *domain, _Inout_ uint32 *domainSize, _Out_ uint32 *use)',
    ConvertSidToStringSidW: 'int ConvertSidToStringSidW(void *sid, _Out_ void **text)',
  });
}
