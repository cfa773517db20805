import type { Native, Pointer } from './native.ts';

export type Handle = number | bigint;

/** What securitybaseapi.h, sddl.h and winbase.h declare, as far as it is used here. A 0 is a failure. */
export interface Security {
  readonly ConvertStringSecurityDescriptorToSecurityDescriptorW: (
    sddl: string,
    revision: number,
    descriptor: Pointer[],
    size: null,
  ) => number;
  readonly ConvertSidToStringSidW: (sid: Buffer | Pointer, text: Pointer[]) => number;
  readonly SetFileSecurityW: (path: string, information: number, descriptor: Pointer) => number;
  readonly GetKernelObjectSecurity: (
    handle: Handle,
    information: number,
    descriptor: Buffer,
    size: number,
    needed: number[],
  ) => number;
  readonly SetKernelObjectSecurity: (
    handle: Handle,
    information: number,
    descriptor: Pointer,
  ) => number;
  readonly GetSecurityDescriptorOwner: (
    descriptor: Buffer,
    owner: Pointer[],
    isDefault: number[],
  ) => number;
  readonly GetSecurityDescriptorControl: (
    descriptor: Buffer,
    control: number[],
    revision: number[],
  ) => number;
  readonly LookupAccountNameW: (
    system: null,
    name: string,
    sid: Buffer | null,
    sidSize: number[],
    domain: Buffer | null,
    domainSize: number[],
    use: number[],
  ) => number;
  readonly OpenProcessToken: (process: Handle, access: number, token: Handle[]) => number;
  readonly GetTokenInformation: (
    token: Handle,
    what: number,
    information: Buffer,
    size: number,
    needed: number[],
  ) => number;
}

export function bindSecurity(native: Native): Security {
  return native.bind<Security>('advapi32.dll', {
    ConvertStringSecurityDescriptorToSecurityDescriptorW:
      'int ConvertStringSecurityDescriptorToSecurityDescriptorW(str16 text, uint32 revision, _Out_ void **descriptor, void *size)',
    ConvertSidToStringSidW: 'int ConvertSidToStringSidW(void *sid, _Out_ void **text)',
    SetFileSecurityW: 'int SetFileSecurityW(str16 path, uint32 information, void *descriptor)',
    GetKernelObjectSecurity:
      'int GetKernelObjectSecurity(intptr_t handle, uint32 information, void *descriptor, uint32 size, _Out_ uint32 *needed)',
    SetKernelObjectSecurity:
      'int SetKernelObjectSecurity(intptr_t handle, uint32 information, void *descriptor)',
    GetSecurityDescriptorOwner:
      'int GetSecurityDescriptorOwner(void *descriptor, _Out_ void **owner, _Out_ int *isDefault)',
    GetSecurityDescriptorControl:
      'int GetSecurityDescriptorControl(void *descriptor, _Out_ uint16 *control, _Out_ uint32 *revision)',
    LookupAccountNameW:
      'int LookupAccountNameW(void *system, str16 name, void *sid, _Inout_ uint32 *sidSize, void *domain, _Inout_ uint32 *domainSize, _Out_ uint32 *use)',
    OpenProcessToken:
      'int OpenProcessToken(intptr_t process, uint32 access, _Out_ intptr_t *token)',
    GetTokenInformation:
      'int GetTokenInformation(intptr_t token, int what, void *information, uint32 size, _Out_ uint32 *needed)',
  });
}

/** A SID as text, `S-1-…`. `whose` is for the error. Throws `WindowsError`. */
export function textOfSid(native: Native, sid: Buffer | Pointer, whose: string): string {
  const text: Pointer[] = [null];
  if (bindSecurity(native).ConvertSidToStringSidW(sid, text) === 0) {
    throw native.failure(`${whose} has no SID`);
  }
  return native.takeText(text[0] ?? null);
}

/** Makes the security descriptor of a text (SDDL) for as long as it is used. Throws `WindowsError`. */
export function withDescriptor(
  native: Native,
  { path, sddl }: { readonly path: string; readonly sddl: string },
  use: (descriptor: Pointer) => void,
): void {
  const { ConvertStringSecurityDescriptorToSecurityDescriptorW: convert } = bindSecurity(native);
  const descriptor: Pointer[] = [null];
  if (convert(sddl, 1, descriptor, null) === 0) {
    throw native.failure(`the access list for ${path} cannot be made`);
  }
  const [made = null] = descriptor;
  try {
    use(made);
  } finally {
    native.free(made);
  }
}
