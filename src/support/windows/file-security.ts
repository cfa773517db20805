import { toNamespacedPath } from 'node:path';
import type { Native, Pointer } from './native.ts';
import { bindSecurity, textOfSid, withDescriptor, type Handle } from './security-functions.ts';
import { ERROR } from './windows-error.ts';

export interface Ownership {
  /** SID, or one of the two that SDDL has letters for. */
  readonly owner: string;
  /** Of `accessList`. */
  readonly list?: string;
}

/** A file or folder that is held open: what is looked at is what is changed, whatever its name leads to by then. */
export interface HeldFile {
  /** `link`: whatever leads to another place, junctions and mounted volumes, too. */
  readonly kind: 'file' | 'folder' | 'link';
  /** How many names a file has. */
  readonly names: number;
  /** The SID; empty when nobody owns it. */
  readonly owner: string;
  /** Whether it inherits nothing from its folder. */
  readonly hasOwnList: boolean;
  /** Gives it an owner and, in the same go, an access list; without one it keeps its own. Throws `WindowsError`. */
  secure(wish: Ownership): void;
}

/** READ_CONTROL, WRITE_DAC, WRITE_OWNER and FILE_READ_ATTRIBUTES. */
const ACCESS = 0x2_0000 | 0x4_0000 | 0x8_0000 | 0x80;
/** Whoever has it open keeps it: the service may be running. */
const SHARE_ALL = 7;
const OPEN_EXISTING = 3;
/** FILE_FLAG_BACKUP_SEMANTICS, without which no folder opens, and FILE_FLAG_OPEN_REPARSE_POINT: the link itself. */
const FLAGS = 0x0200_0000 | 0x0020_0000;
const INVALID_HANDLE = -1;

const NOT_THERE: readonly unknown[] = [ERROR.fileNotFound, ERROR.pathNotFound];

/** BY_HANDLE_FILE_INFORMATION, and where its members lie. */
const INFORMATION_SIZE = 52;
const NAMES_AT = 40;
const FOLDER = 0x10;
const REPARSE_POINT = 0x400;

/** OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION. */
const OWNER = 0x1;
const DACL = 0x4;
/** Both, and PROTECTED_DACL_SECURITY_INFORMATION. */
const OWNER_AND_LIST = 0x8000_0005;
/** SE_DACL_PROTECTED. */
const IS_PROTECTED = 0x1000;

/** The longest access list there is, and what stands beside it. */
const DESCRIPTOR_ROOM = 0x1_1000;

interface Kernel {
  readonly CreateFileW: (
    path: string,
    access: number,
    share: number,
    security: null,
    disposition: number,
    flags: number,
    template: null,
  ) => Handle;
  readonly CloseHandle: (handle: Handle) => number;
  readonly GetFileInformationByHandle: (handle: Handle, information: Buffer) => number;
  readonly GetCurrentProcess: () => Handle;
}

/**
 * Holds what has this name, a link itself and not what it leads to, while it is used. Undefined when there
 * is none. Throws `WindowsError`.
 */
export function holdFile<T>(
  native: Native,
  path: string,
  use: (file: HeldFile) => T,
): T | undefined {
  const kernel = bindKernel(native);
  const handle = kernel.CreateFileW(
    // In this form a name is taken as it is, also one that is too long or ends in a dot.
    ...([toNamespacedPath(path), ACCESS, SHARE_ALL] as const),
    ...([null, OPEN_EXISTING, FLAGS, null] as const),
  );
  if (handle === INVALID_HANDLE) {
    const error = native.failure(`owner and access list of ${path} cannot be changed`);
    if (NOT_THERE.includes(error.number)) return undefined;
    throw error;
  }
  try {
    return use({
      ...readInformation(native, handle, path),
      ...readSecurity(native, handle, path),
      secure: (wish) => {
        writeSecurity(native, handle, { ...wish, path });
      },
    });
  } finally {
    kernel.CloseHandle(handle);
  }
}

function readInformation(
  native: Native,
  handle: Handle,
  path: string,
): Pick<HeldFile, 'kind' | 'names'> {
  const bytes = Buffer.alloc(INFORMATION_SIZE);
  if (bindKernel(native).GetFileInformationByHandle(handle, bytes) === 0) {
    throw native.failure(`what ${path} is cannot be read`);
  }
  const attributes = bytes.readUInt32LE(0);
  const kind = (attributes & FOLDER) === 0 ? 'file' : 'folder';
  return {
    kind: (attributes & REPARSE_POINT) === 0 ? kind : 'link',
    names: bytes.readUInt32LE(NAMES_AT),
  };
}

function readSecurity(
  native: Native,
  handle: Handle,
  path: string,
): Pick<HeldFile, 'owner' | 'hasOwnList'> {
  const advapi = bindSecurity(native);
  const descriptor = Buffer.alloc(DESCRIPTOR_ROOM);
  const owner: Pointer[] = [null];
  const control = [0];
  const { length } = descriptor;
  if (
    advapi.GetKernelObjectSecurity(handle, OWNER | DACL, descriptor, length, [0]) === 0 ||
    advapi.GetSecurityDescriptorOwner(descriptor, owner, [0]) === 0 ||
    advapi.GetSecurityDescriptorControl(descriptor, control, [0]) === 0
  ) {
    throw native.failure(`the owner of ${path} cannot be read`);
  }
  const [sid = null] = owner;
  return {
    owner: sid === null ? '' : textOfSid(native, sid, `the owner of ${path}`),
    hasOwnList: ((control[0] ?? 0) & IS_PROTECTED) !== 0,
  };
}

function writeSecurity(
  native: Native,
  handle: Handle,
  { path, owner, list }: Ownership & { readonly path: string },
): void {
  const information = list === undefined ? OWNER : OWNER_AND_LIST;
  withDescriptor(native, { path, sddl: `O:${owner}${list ?? ''}` }, (descriptor) => {
    if (bindSecurity(native).SetKernelObjectSecurity(handle, information, descriptor) === 0) {
      throw native.failure(`owner and access list of ${path} cannot be set`);
    }
  });
}

/** TOKEN_QUERY, and TokenUser. */
const QUERY = 0x8;
const USER = 1;
/** For the SID and what points to it. */
const USER_ROOM = 128;

/**
 * The SID of the account that runs this, by its token and not by its name: a local account can have the name
 * of one of the domain, and would be found first. Throws `WindowsError`.
 */
export function ownSid(native: Native): string {
  const kernel = bindKernel(native);
  const advapi = bindSecurity(native);
  const opened: Handle[] = [0];
  if (advapi.OpenProcessToken(kernel.GetCurrentProcess(), QUERY, opened) === 0) {
    throw native.failure('the account that runs this cannot be asked for');
  }
  const [token = 0] = opened;
  try {
    // TOKEN_USER: it begins with the address of the SID, which lies behind it.
    const user = Buffer.alloc(USER_ROOM);
    if (advapi.GetTokenInformation(token, USER, user, user.length, [0]) === 0) {
      throw native.failure('the account that runs this cannot be read');
    }
    return textOfSid(native, user.readBigUInt64LE(0), 'the account that runs this');
  } finally {
    kernel.CloseHandle(token);
  }
}

function bindKernel(native: Native): Kernel {
  return native.bind<Kernel>('kernel32.dll', {
    CreateFileW:
      'intptr_t CreateFileW(str16 path, uint32 access, uint32 share, void *security, uint32 disposition, uint32 flags, void *template)',
    CloseHandle: 'int CloseHandle(intptr_t handle)',
    GetFileInformationByHandle:
      'int GetFileInformationByHandle(intptr_t handle, void *information)',
    GetCurrentProcess: 'intptr_t GetCurrentProcess()',
  });
}
