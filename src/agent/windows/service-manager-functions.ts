import type { Native, Pointer } from '../../support/windows/native.ts';

/** What winsvc.h declares, as far as it is used here. A 0 or a NULL is a failure. */
export interface Manager {
  readonly OpenSCManagerW: (machine: null, database: null, access: number) => Pointer;
  readonly OpenServiceW: (manager: Pointer, name: string, access: number) => Pointer;
  readonly CloseServiceHandle: (handle: Pointer) => number;
  readonly CreateServiceW: (
    manager: Pointer,
    name: string,
    displayName: string,
    access: number,
    type: number,
    start: number,
    errorControl: number,
    commandLine: string,
    group: null,
    tag: null,
    dependencies: null,
    account: string | null,
    password: string | null,
  ) => Pointer;
  readonly ChangeServiceConfigW: (
    service: Pointer,
    type: number,
    start: number,
    errorControl: number,
    commandLine: string,
    group: null,
    tag: null,
    dependencies: null,
    account: string | null,
    password: string | null,
    displayName: string,
  ) => number;
  readonly ChangeServiceConfig2W: (service: Pointer, level: number, info: unknown) => number;
  readonly ControlService: (service: Pointer, control: number, status: Buffer) => number;
  readonly DeleteService: (service: Pointer) => number;
  readonly QueryServiceStatusEx: (
    service: Pointer,
    level: 0,
    bytes: Buffer,
    size: number,
    needed: number[],
  ) => number;
  readonly QueryServiceConfigW: (
    service: Pointer,
    bytes: Buffer,
    size: number,
    needed: number[],
  ) => number;
}

export function bindManager(native: Native): Manager {
  return native.bind<Manager>('advapi32.dll', {
    OpenSCManagerW: 'void *OpenSCManagerW(void *machine, void *database, uint32 access)',
    OpenServiceW: 'void *OpenServiceW(void *manager, str16 name, uint32 access)',
    CloseServiceHandle: 'int CloseServiceHandle(void *handle)',
    CreateServiceW:
      'void *CreateServiceW(void *manager, str16 name, str16 displayName, uint32 access, uint32 type, uint32 start, uint32 errorControl, str16 commandLine, void *group, void *tag, void *dependencies, str16 account, str16 password)',
    ChangeServiceConfigW:
      'int ChangeServiceConfigW(void *service, uint32 type, uint32 start, uint32 errorControl, str16 commandLine, void *group, void *tag, void *dependencies, str16 account, str16 password, str16 displayName)',
    ChangeServiceConfig2W: 'int ChangeServiceConfig2W(void *service, uint32 level, void *info)',
    ControlService: 'int ControlService(void *service, uint32 control, void *status)',
    DeleteService: 'int DeleteService(void *service)',
    QueryServiceStatusEx:
      'int QueryServiceStatusEx(void *service, uint32 level, void *bytes, uint32 size, _Out_ uint32 *needed)',
    QueryServiceConfigW:
      'int QueryServiceConfigW(void *service, void *bytes, uint32 size, _Out_ uint32 *needed)',
  });
}
