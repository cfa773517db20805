import { expect, test } from 'vitest';
import { holdFile, ownSid } from '../../../../src/support/windows/file-security.ts';
import { fakeNative, type FakeFunctions } from '../../../support/fake-windows.ts';

const PATH = 'C:\\ProgramData\\Passback';
const HANDLE = 17;
const FOLDER = 0x10;
const REPARSE_POINT = 0x400;

interface FakeFile {
  readonly attributes: number;
  readonly names: number;
  readonly owner: bigint | null;
  readonly control: number;
}

/** A Windows with one file, and what was asked of it. */
function windowsWith({ attributes, names, owner, control }: FakeFile): {
  readonly functions: FakeFunctions;
  readonly calls: unknown[][];
} {
  const calls: unknown[][] = [];
  const note =
    (name: string, answer: number) =>
    (...args: unknown[]): number => {
      calls.push([name, ...args]);
      return answer;
    };
  const functions: FakeFunctions = {
    CreateFileW: note('CreateFileW', HANDLE),
    CloseHandle: note('CloseHandle', 1),
    GetFileInformationByHandle: (_handle: number, bytes: Buffer) => {
      bytes.writeUInt32LE(attributes, 0);
      return bytes.writeUInt32LE(names, 40);
    },
    GetKernelObjectSecurity: () => 1,
    GetSecurityDescriptorOwner: (_descriptor: Buffer, out: (bigint | null)[]) => {
      out[0] = owner;
      return 1;
    },
    GetSecurityDescriptorControl: (_descriptor: Buffer, out: number[]) => {
      out[0] = control;
      return 1;
    },
    ConvertSidToStringSidW: (sid: bigint, out: bigint[]) => {
      out[0] = sid;
      return 1;
    },
    ConvertStringSecurityDescriptorToSecurityDescriptorW: (
      sddl: string,
      _revision: number,
      out: bigint[],
    ) => {
      calls.push(['descriptor', sddl]);
      out[0] = 99n;
      return 1;
    },
    SetKernelObjectSecurity: note('SetKernelObjectSecurity', 1),
  };
  return { functions, calls };
}

const TEXTS = new Map([[5n, 'S-1-5-32-544']]);
const PLAIN: FakeFile = { attributes: 0x20, names: 1, owner: 5n, control: 0 };

test.each([
  [{ attributes: 0x20 }, { kind: 'file', names: 1, owner: 'S-1-5-32-544', hasOwnList: false }],
  [
    { attributes: FOLDER, control: 0x9004 },
    { kind: 'folder', hasOwnList: true },
  ],
  [{ attributes: FOLDER | REPARSE_POINT }, { kind: 'link' }],
  [{ attributes: REPARSE_POINT }, { kind: 'link' }],
  [{ names: 2 }, { kind: 'file', names: 2 }],
  [{ owner: null }, { owner: '' }],
])('what is held says what it is: %j', (file, said) => {
  const { functions } = windowsWith({ ...PLAIN, ...file });
  const held = holdFile(fakeNative(functions, TEXTS), PATH, (one) => ({ ...one }));
  expect(held).toMatchObject(said);
});

test('a link is opened itself, and owner and list are set in one go on what is held', () => {
  const { functions, calls } = windowsWith(PLAIN);
  holdFile(fakeNative(functions, TEXTS), PATH, (held) => {
    held.secure({ owner: 'BA', list: 'D:P(A;;FA;;;SY)' });
    held.secure({ owner: 'BA' });
  });
  const [opened] = calls;
  expect(opened?.[6]).toBe(0x0220_0000);
  expect(calls.slice(1)).toEqual([
    ['descriptor', 'O:BAD:P(A;;FA;;;SY)'],
    ['SetKernelObjectSecurity', HANDLE, 0x8000_0005, 99n],
    ['descriptor', 'O:BA'],
    ['SetKernelObjectSecurity', HANDLE, 1, 99n],
    ['CloseHandle', HANDLE],
  ]);
});

test('it is let go of when its use fails', () => {
  const { functions, calls } = windowsWith(PLAIN);
  const use = (): string => {
    throw new Error('not this one');
  };
  const hold = (): unknown => holdFile(fakeNative(functions, TEXTS), PATH, use);
  expect(hold).toThrow('not this one');
  expect(calls.at(-1)).toEqual(['CloseHandle', HANDLE]);
});

test('nothing of this name is no failure, and everything else is', () => {
  const open = (error: number): string | undefined => {
    const native = fakeNative({ CreateFileW: () => -1, GetLastError: () => error });
    return holdFile(native, PATH, () => 'held');
  };
  expect(open(2)).toBeUndefined();
  expect(open(3)).toBeUndefined();
  expect(() => open(5)).toThrow('cannot be changed: access is denied');
});

test('who runs this is asked of its token', () => {
  const closed: unknown[] = [];
  const native = fakeNative(
    {
      GetCurrentProcess: () => -1,
      OpenProcessToken: (process: number, access: number, out: number[]) => {
        out[0] = 23;
        return process === -1 && access === 8 ? 1 : 0;
      },
      GetTokenInformation: (token: number, what: number, bytes: Buffer) => {
        bytes.writeBigUInt64LE(5n, 0);
        return token === 23 && what === 1 ? 1 : 0;
      },
      ConvertSidToStringSidW: (sid: bigint, out: bigint[]) => {
        out[0] = sid;
        return 1;
      },
      CloseHandle: (handle: number) => closed.push(handle),
    },
    new Map([[5n, 'S-1-5-21-1-2-3-1000']]),
  );
  expect(ownSid(native)).toBe('S-1-5-21-1-2-3-1000');
  expect(closed).toEqual([23]);
});
