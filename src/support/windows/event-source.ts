import type { EventEntry } from './event-entry.ts';
import type { Native, Pointer } from './native.ts';
import { WindowsError } from './windows-error.ts';

/** What the Event Viewer shows as the source, in the log “Application”. */
export const EVENT_SOURCE = 'Passback';

/** Where the text of the numbers is looked up, below HKEY_LOCAL_MACHINE. */
const KEY = `SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\${EVENT_SOURCE}`;

const LOCAL_MACHINE = 0xffff_ffff_8000_0002n;
const WRITE = 0x2_0006;
const EXPANDABLE_TEXT = 2;
const NUMBER = 4;
/** Errors, warnings and information. */
const ALL_TYPES = 7;

const TYPES = { error: 1, warn: 2, info: 4 } as const;

interface Reporting {
  readonly RegisterEventSourceW: (server: null, source: string) => Pointer;
  readonly DeregisterEventSource: (source: Pointer) => number;
  readonly ReportEventW: ((...report: Report) => number) & {
    /** On another thread; koffi gives it to each function. */
    readonly async: (...reportAndDone: [...Report, done: () => void]) => void;
  };
}

type Report = [
  source: Pointer,
  type: number,
  category: number,
  id: number,
  account: null,
  count: number,
  size: number,
  texts: readonly string[],
  data: null,
];

/** Takes entries for the Event Log of this machine. */
export interface EventSource {
  /** False when the Event Log does not take it; never throws. */
  report(entry: EventEntry): boolean;
  /** Does so on another thread, whatever becomes of it, for whoever must not hang with the Event Log. */
  reportAside(entry: EventEntry): Promise<void>;
  close(): void;
}

/** Opens the Event Log for writing. Throws `WindowsError`. */
export function openEventSource(native: Native): EventSource {
  const advapi = native.bind<Reporting>('advapi32.dll', {
    RegisterEventSourceW: 'void *RegisterEventSourceW(void *server, str16 source)',
    DeregisterEventSource: 'int DeregisterEventSource(void *source)',
    ReportEventW:
      'int ReportEventW(void *source, uint16 type, uint16 category, uint32 id, void *account, uint16 count, uint32 size, str16 *texts, void *data)',
  });
  let source = advapi.RegisterEventSourceW(null, EVENT_SOURCE);
  if (source === null) throw native.failure('the Event Log cannot be opened');
  const toReport = ({ level, id, texts }: EventEntry): Report => {
    return [source, TYPES[level], 0, id, null, texts.length, 0, texts, null];
  };
  return {
    report: (entry) => source !== null && advapi.ReportEventW(...toReport(entry)) !== 0,
    reportAside: (entry) =>
      new Promise((resolve) => {
        advapi.ReportEventW.async(...toReport(entry), () => {
          resolve();
        });
      }),
    close: () => {
      if (source !== null) advapi.DeregisterEventSource(source);
      source = null;
    },
  };
}

interface Registry {
  readonly RegCreateKeyExW: (
    root: bigint,
    path: string,
    reserved: number,
    type: null,
    options: number,
    access: number,
    security: null,
    key: Pointer[],
    disposition: null,
  ) => number;
  readonly RegSetValueExW: (
    key: Pointer,
    name: string,
    reserved: number,
    type: number,
    data: Buffer,
    size: number,
  ) => number;
  readonly RegCloseKey: (key: Pointer) => number;
  readonly RegDeleteTreeW: (root: bigint, path: string) => number;
}

/** Tells Windows which file has the texts of the numbers. Idempotent. Throws `WindowsError`. */
export function registerEventSource(native: Native, messageFile: string): void {
  const registry = bindRegistry(native);
  const key: Pointer[] = [null];
  must(
    registry.RegCreateKeyExW(LOCAL_MACHINE, KEY, 0, null, 0, WRITE, null, key, null),
    'the source of events cannot be registered',
  );
  const [opened = null] = key;
  try {
    const text = Buffer.from(`${messageFile}\0`, 'utf16le');
    const types = Buffer.alloc(4);
    types.writeUInt32LE(ALL_TYPES);
    const failed = 'the texts of events cannot be registered';
    must(
      registry.RegSetValueExW(opened, 'EventMessageFile', 0, EXPANDABLE_TEXT, text, text.length),
      failed,
    );
    must(registry.RegSetValueExW(opened, 'TypesSupported', 0, NUMBER, types, types.length), failed);
  } finally {
    registry.RegCloseKey(opened);
  }
}

/** Takes that back; entries stay in the log, without their texts. Idempotent. Throws `WindowsError`. */
export function unregisterEventSource(native: Native): void {
  const result = bindRegistry(native).RegDeleteTreeW(LOCAL_MACHINE, KEY);
  if (result !== NOT_THERE) must(result, 'the source of events cannot be removed');
}

/** ERROR_FILE_NOT_FOUND. */
const NOT_THERE = 2;

/** The functions of the registry answer their error instead of leaving it behind. */
function must(result: number, what: string): void {
  if (result !== 0) throw new WindowsError(what, result);
}

function bindRegistry(native: Native): Registry {
  return native.bind<Registry>('advapi32.dll', {
    RegCreateKeyExW:
      'int32 RegCreateKeyExW(uintptr_t root, str16 path, uint32 reserved, void *type, uint32 options, uint32 access, void *security, _Out_ void **key, void *disposition)',
    RegSetValueExW:
      'int32 RegSetValueExW(void *key, str16 name, uint32 reserved, uint32 type, void *data, uint32 size)',
    RegCloseKey: 'int32 RegCloseKey(void *key)',
    RegDeleteTreeW: 'int32 RegDeleteTreeW(uintptr_t root, str16 path)',
  });
}
