import type * as Koffi from 'koffi';
import { Native } from '../../src/support/windows/native.ts';

/** What a function of Windows answers; what it gives besides goes into its arguments. */
export type FakeFunctions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** A way into a Windows that has these functions, whatever the library, and texts at these addresses. */
export function fakeNative(
  functions: FakeFunctions,
  texts: ReadonlyMap<bigint, string> = new Map(),
): Native {
  const all: FakeFunctions = { GetLastError: () => 0, LocalFree: () => null, ...functions };
  const func = (prototype: string): unknown => {
    const [, name = ''] = /(\w+)\(/.exec(prototype) ?? [];
    return all[name] ?? (() => unasked(name));
  };
  const koffi = {
    load: () => ({ func }),
    decode: { string16: (address: bigint) => texts.get(address) },
  };
  return new Native(koffi as unknown as typeof Koffi); // as much of it as is needed here
}

function unasked(name: string): never {
  throw new Error(`this Windows has no ${name}`);
}
