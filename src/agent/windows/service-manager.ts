import type { Native, Pointer } from '../../support/windows/native.ts';
import { ERROR } from '../../support/windows/windows-error.ts';
import { configureService } from './service-settings.ts';
import { bindManager, type Manager } from './service-manager-functions.ts';

export interface ServiceDefinition {
  readonly name: string;
  readonly displayName: string;
  readonly description: string;
  readonly commandLine: string;
  /** Absent: of a service that is there, the one it has. */
  readonly account?: string;
  /** Of `account`, where it has one. */
  readonly password?: string;
}

export interface InstalledService {
  readonly state: keyof typeof STATES | 'other';
  /** 0 unless it runs. */
  readonly pid: number;
  /** What the process ended with the last time; 0 while it runs. */
  readonly exitCode: number;
  readonly startsByItself: boolean;
  readonly commandLine: string;
  readonly account: string;
}

const CONNECT = 0x1;
const CREATE = 0x2;
/** SERVICE_QUERY_CONFIG and SERVICE_QUERY_STATUS. */
const QUERY = 0x1 | 0x4;
const ALL_ACCESS = 0xf_01ff;
const DELETE = 0x1_0000;
const STOP = 0x20;

const OWN_PROCESS = 0x10;
const AUTO_START = 2;
const NORMAL = 1;
const CONTROL_STOP = 1;

const STATES = { stopped: 1, starting: 2, stopping: 3, running: 4 } as const;

/** What a service is, or nothing when there is none of this name. Throws `WindowsError`. */
export function findService(native: Native, name: string): InstalledService | undefined {
  return withManager(native, CONNECT, (functions, manager) =>
    withService({ native, functions, manager }, { name, access: QUERY }, (service) => ({
      ...readConfig(native, functions, service),
      ...readStatus(native, functions, service),
    })),
  );
}

/**
 * Creates the service, or gives one that is there these settings. Answers what could not be set on this
 * Windows, in words. Throws `WindowsError`.
 */
export function putService(native: Native, definition: ServiceDefinition): readonly string[] {
  return withManager(native, CONNECT | CREATE, (functions, manager) => {
    const { name } = definition;
    const changed = withService(
      { native, functions, manager },
      { name, access: ALL_ACCESS },
      (service) => {
        change(native, functions, { service, definition });
        return configureService(native, functions, { service, definition });
      },
    );
    if (changed !== undefined) return changed;
    const service = create(native, functions, { manager, definition });
    try {
      return configureService(native, functions, { service, definition });
    } finally {
      functions.CloseServiceHandle(service);
    }
  });
}

/** Asks a service to stop. False when it does not run, or is not there. Throws `WindowsError`. */
export function stopService(native: Native, name: string): boolean {
  const stopped = withManager(native, CONNECT, (functions, manager) =>
    withService({ native, functions, manager }, { name, access: STOP }, (service) => {
      if (functions.ControlService(service, CONTROL_STOP, Buffer.alloc(28)) !== 0) return true;
      const error = native.failure(`the service ${name} cannot be stopped`);
      if (error.number === ERROR.serviceNotRunning) return false;
      throw error;
    }),
  );
  return stopped === true;
}

/** Removes a service. False when there is none of this name. Throws `WindowsError`. */
export function removeService(native: Native, name: string): boolean {
  const removed = withManager(native, CONNECT, (functions, manager) =>
    withService({ native, functions, manager }, { name, access: DELETE }, (service) => {
      if (functions.DeleteService(service) !== 0) return true;
      throw native.failure(`the service ${name} cannot be removed`);
    }),
  );
  return removed === true;
}

function withManager<T>(
  native: Native,
  access: number,
  use: (functions: Manager, manager: Pointer) => T,
): T {
  const functions = bindManager(native);
  const manager = functions.OpenSCManagerW(null, null, access);
  if (manager === null) throw native.failure('the service control manager cannot be opened');
  try {
    return use(functions, manager);
  } finally {
    functions.CloseServiceHandle(manager);
  }
}

interface Opened {
  readonly native: Native;
  readonly functions: Manager;
  readonly manager: Pointer;
}

function withService<T>(
  { native, functions, manager }: Opened,
  { name, access }: { readonly name: string; readonly access: number },
  use: (service: Pointer) => T,
): T | undefined {
  const service = functions.OpenServiceW(manager, name, access);
  if (service === null) {
    const error = native.failure(`the service ${name} cannot be opened`);
    if (error.number === ERROR.noSuchService) return undefined;
    throw error;
  }
  try {
    return use(service);
  } finally {
    functions.CloseServiceHandle(service);
  }
}

function create(
  native: Native,
  functions: Manager,
  { manager, definition }: { readonly manager: Pointer; readonly definition: ServiceDefinition },
): Pointer {
  const { name, displayName, commandLine, account = null, password = null } = definition;
  const service = functions.CreateServiceW(
    ...([manager, name, displayName, ALL_ACCESS, OWN_PROCESS, AUTO_START, NORMAL] as const),
    ...([commandLine, null, null, null, account, password] as const),
  );
  if (service === null) throw native.failure(`the service ${name} cannot be made`);
  return service;
}

function change(
  native: Native,
  functions: Manager,
  { service, definition }: { readonly service: Pointer; readonly definition: ServiceDefinition },
): void {
  const { name, displayName, commandLine, account = null, password = null } = definition;
  const changed = functions.ChangeServiceConfigW(
    ...([service, OWN_PROCESS, AUTO_START, NORMAL, commandLine] as const),
    ...([null, null, null, account, password, displayName] as const),
  );
  if (changed === 0) throw native.failure(`the service ${name} cannot be changed`);
}

function readStatus(
  native: Native,
  functions: Manager,
  service: Pointer,
): Pick<InstalledService, 'state' | 'pid' | 'exitCode'> {
  // SERVICE_STATUS_PROCESS: nine numbers of 32 bits.
  const bytes = Buffer.alloc(36);
  if (functions.QueryServiceStatusEx(service, 0, bytes, bytes.length, [0]) === 0) {
    throw native.failure('the state of the service cannot be read');
  }
  const [state, win32, specific, pid] = [4, 12, 16, 28].map((offset) => bytes.readUInt32LE(offset));
  const names = Object.keys(STATES) as (keyof typeof STATES)[];
  return {
    state: names.find((name) => STATES[name] === state) ?? 'other',
    pid: pid ?? 0,
    exitCode: (win32 === ERROR.serviceSpecific ? specific : win32) ?? 0,
  };
}

/** Far more than two paths and a name need; Windows says 8 KiB is the most there is. */
const CONFIG_ROOM = 8_192;

/** QUERY_SERVICE_CONFIGW of 64 bits, where its members lie. */
const START_TYPE_AT = 4;
const COMMAND_LINE_AT = 16;
const ACCOUNT_AT = 48;

function readConfig(
  native: Native,
  functions: Manager,
  service: Pointer,
): Pick<InstalledService, 'startsByItself' | 'commandLine' | 'account'> {
  const bytes = Buffer.alloc(CONFIG_ROOM);
  if (functions.QueryServiceConfigW(service, bytes, bytes.length, [0]) === 0) {
    throw native.failure('the settings of the service cannot be read');
  }
  const textAt = (offset: number): string => {
    const address = bytes.readBigUInt64LE(offset);
    return address === 0n ? '' : native.koffi.decode.string16(address);
  };
  return {
    startsByItself: bytes.readUInt32LE(START_TYPE_AT) === AUTO_START,
    commandLine: textAt(COMMAND_LINE_AT),
    account: textAt(ACCOUNT_AT),
  };
}
