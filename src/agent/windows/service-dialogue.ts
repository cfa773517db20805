import type { Native, Pointer } from '../../support/windows/native.ts';
import type { FromDialogue, StopControl } from './service-messages.ts';
import { silenceWatchdog } from './silence-watchdog.ts';
import {
  nextStatus,
  STARTING,
  statusBytes,
  TICK_MS,
  type ServiceEvent,
  type ServiceStatus,
} from './service-status.ts';

const NO_ERROR = 0;
const NOT_IMPLEMENTED = 120;
const INTERROGATE = 4;

/** SERVICE_CONTROL_… that end a service. */
const STOP_CONTROLS: Readonly<Partial<Record<number, StopControl>>> = {
  1: 'STOP',
  5: 'SHUTDOWN',
  15: 'PRESHUTDOWN',
};

/** Exit code of a thread that has not ended. */
const STILL_ACTIVE = 259;
const LOOK_MS = 100;

export interface DialogueOptions {
  readonly service: string;
  readonly tell: (message: FromDialogue) => void;
  /** The agent's own thread has been silent for so long that it has to be ended. */
  readonly onSilence: () => void;
}

interface Advapi {
  readonly RegisterServiceCtrlHandlerExW: (
    service: string,
    handler: bigint,
    context: null,
  ) => Pointer;
  readonly SetServiceStatus: (status: Pointer, bytes: Buffer) => number;
}

interface Kernel {
  readonly CreateThread: (
    attributes: null,
    stack: number,
    start: bigint,
    parameter: Buffer,
    flags: number,
    id: null,
  ) => Pointer;
  readonly GetExitCodeThread: (thread: Pointer, code: number[]) => number;
}

/**
 * The dialogue with the service control manager, in a thread of its own: a busy agent must not keep the
 * manager waiting. The dispatcher, which does not return while the service lives, runs on a native
 * thread: in libuv's pool it would keep the process from ever ending.
 */
export class ServiceDialogue {
  readonly #native: Native;
  readonly #service: string;
  readonly #tell: (message: FromDialogue) => void;
  readonly #watch: ReturnType<typeof silenceWatchdog>;
  readonly #advapi: Advapi;
  readonly #kernel: Kernel;
  /** What the native side keeps addresses of has to stay where it is. */
  readonly #table: readonly Buffer[];
  readonly #handler: bigint;
  #status: ServiceStatus = STARTING;
  #handle: Pointer = null;

  constructor(native: Native, options: DialogueOptions) {
    this.#native = native;
    this.#service = options.service;
    this.#tell = options.tell;
    this.#watch = silenceWatchdog(options.onSilence);
    this.#advapi = native.bind<Advapi>('advapi32.dll', {
      RegisterServiceCtrlHandlerExW:
        'void *RegisterServiceCtrlHandlerExW(str16 service, void *handler, void *context)',
      SetServiceStatus: 'int SetServiceStatus(void *handle, void *status)',
    });
    this.#kernel = native.bind<Kernel>('kernel32.dll', {
      CreateThread:
        'void *CreateThread(void *attributes, size_t stack, void *start, void *parameter, uint32 flags, void *id)',
      GetExitCodeThread: 'int GetExitCodeThread(void *thread, _Out_ uint32 *code)',
    });
    const { koffi } = native;
    const main = koffi.proto('void PassbackServiceMain(uint32 count, void *words)');
    const handler = koffi.proto(
      'uint32 PassbackHandlerEx(uint32 control, uint32 event, void *data, void *context)',
    );
    this.#table = serviceTable(
      this.#service,
      koffi.register(() => {
        this.#connect();
      }, koffi.pointer(main)),
      (buffer) => koffi.address(buffer),
    );
    this.#handler = koffi.register(
      (control: number) => this.#control(control),
      koffi.pointer(handler),
    );
  }

  /** Begins. Throws when not even the thread can be made. */
  start(): void {
    const [table] = this.#table;
    const dispatcher = this.#native.addressOf('advapi32.dll', 'StartServiceCtrlDispatcherW');
    const thread = table && this.#kernel.CreateThread(null, 0, dispatcher, table, 0, null);
    if (thread === undefined || thread === null) {
      throw this.#native.failure('the thread of the service control dispatcher cannot be made');
    }
    const ticking = setInterval(() => {
      this.apply({ type: 'tick' });
    }, TICK_MS);
    const looking = setInterval(() => {
      const code = [STILL_ACTIVE];
      this.#kernel.GetExitCodeThread(thread, code);
      if (code[0] === STILL_ACTIVE) return;
      clearInterval(looking);
      clearInterval(ticking);
      this.#tell({ type: 'over' });
    }, LOOK_MS);
  }

  /** Takes an event and tells the manager where it means something. */
  apply(event: ServiceEvent): void {
    const before = this.#status;
    this.#status = nextStatus(before, event);
    if (this.#status !== before) this.#report();
    this.#watch(event, this.#status.state);
  }

  /** ServiceMain: it may return once the handler is registered; the process lives on. */
  #connect(): void {
    this.#handle = this.#advapi.RegisterServiceCtrlHandlerExW(this.#service, this.#handler, null);
    if (this.#handle === null) throw this.#native.failure('the service cannot be registered');
    this.#report();
    this.#tell({ type: 'connected' });
  }

  #control(control: number): number {
    const stop = STOP_CONTROLS[control];
    if (stop === undefined) return control === INTERROGATE ? NO_ERROR : NOT_IMPLEMENTED;
    this.apply({ type: 'stopping' });
    this.#tell({ type: 'stop', control: stop });
    return NO_ERROR;
  }

  #report(): void {
    if (this.#handle === null) return;
    this.#advapi.SetServiceStatus(this.#handle, statusBytes(this.#status));
  }
}

/** SERVICE_TABLE_ENTRYW with one entry and the empty one that ends it, then what it points to. */
function serviceTable(
  service: string,
  main: bigint,
  addressOf: (buffer: Buffer) => bigint,
): readonly Buffer[] {
  const name = Buffer.from(`${service}\0`, 'utf16le');
  const table = Buffer.alloc(32);
  table.writeBigUInt64LE(addressOf(name), 0);
  table.writeBigUInt64LE(main, 8);
  return [table, name];
}
