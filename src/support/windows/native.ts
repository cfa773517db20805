import type * as Koffi from 'koffi';
import type { LibraryHandle, TypeObject } from 'koffi';
import { WindowsError } from './windows-error.ts';

/** An address or a handle; null is NULL. */
export type Pointer = bigint | null;

type NativeFunction = (...args: never[]) => unknown;

/** The functions of a library by name, each with its prototype in C. */
export type Prototypes<F> = Readonly<Record<keyof F, string>>;

/** The way into the libraries of Windows. */
export class Native {
  readonly koffi: typeof Koffi;
  readonly #lastError: () => number;
  readonly #localFree: (block: Pointer) => Pointer;
  readonly #libraries = new Map<string, LibraryHandle>();
  readonly #structs = new Map<string, TypeObject>();

  constructor(koffi: typeof Koffi) {
    this.koffi = koffi;
    const { GetLastError, LocalFree } = this.bind<{
      GetLastError: () => number;
      LocalFree: (block: Pointer) => Pointer;
    }>('kernel32.dll', {
      GetLastError: 'uint32 GetLastError()',
      LocalFree: 'void *LocalFree(void *block)',
    });
    this.#lastError = GetLastError;
    this.#localFree = LocalFree;
  }

  /** The functions of a library. What they take and give is the caller's word: `F` has to say what the prototypes say. */
  bind<F extends Readonly<Record<keyof F, NativeFunction>>>(
    library: string,
    prototypes: Prototypes<F>,
  ): F {
    const handle = this.#library(library);
    const bound = Object.entries(prototypes).map(([name, prototype]) => [
      name,
      handle.func(prototype as string),
    ]);
    return Object.fromEntries(bound) as F;
  }

  /** Defines a structure once; koffi keeps names for the whole thread. */
  struct(name: string, members: Readonly<Record<string, string>>): void {
    if (this.#structs.has(name)) return;
    this.#structs.set(name, this.koffi.struct(name, { ...members }));
  }

  /** The address of an exported function, for whoever takes one. */
  addressOf(library: string, name: string): bigint {
    return this.#library(library).symbol(name) as bigint;
  }

  /** What the call just before has left as its error. */
  failure(what: string): WindowsError {
    return new WindowsError(what, this.#lastError());
  }

  lastError(): number {
    return this.#lastError();
  }

  /** Copies what Windows has made and gives the memory back, overwritten. */
  take(block: Pointer, length: number): Buffer {
    if (block === null) return Buffer.alloc(0);
    const memory = Buffer.from(this.koffi.view(block, length));
    const copy = Buffer.from(memory);
    memory.fill(0);
    this.#localFree(block);
    return copy;
  }

  /** The text that Windows has made; gives the memory back. */
  takeText(block: Pointer): string {
    if (block === null) return '';
    const text = this.koffi.decode.string16(block);
    this.#localFree(block);
    return text;
  }

  free(block: Pointer): void {
    if (block !== null) this.#localFree(block);
  }

  #library(name: string): LibraryHandle {
    const loaded = this.#libraries.get(name) ?? this.koffi.load(name);
    this.#libraries.set(name, loaded);
    return loaded;
  }
}

let loading: Promise<Native> | undefined;

/**
 * Loads the way into Windows, once for each thread. Rejects with `WindowsError` on other systems, and
 * where the loose file of koffi is missing; nothing is loaded before the first call.
 */
export function loadNative(): Promise<Native> {
  return (loading ??= load());
}

async function load(): Promise<Native> {
  if (process.platform !== 'win32') throw new WindowsError('this is for Windows only');
  const koffi = await import('koffi').catch((cause: unknown) => {
    throw new WindowsError(
      'the part of Passback that speaks to Windows (koffi) cannot be loaded: install Passback again',
      undefined,
      { cause },
    );
  });
  return new Native(koffi);
}
