import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import {
  closeFolder,
  type ClosableFiles,
  type Closing,
} from '../../../../src/agent/windows/close-folders.ts';
import type { HeldFile, Ownership } from '../../../../src/support/windows/file-security.ts';
import { WindowsError } from '../../../../src/support/windows/windows-error.ts';

const SYSTEM = 'S-1-5-18';
const ADMINISTRATORS = 'S-1-5-32-544';
const SERVICE = 'S-1-5-80-1';
const INSTALLER = 'S-1-5-21-1-2-3-500';
const STRANGER = 'S-1-5-21-1-2-3-1001';

const DATA = '/data/Passback';
const STATE = '/data/Passback/State';
const CLOSING: Closing = {
  folder: DATA,
  service: SERVICE,
  access: 'enter',
  installer: INSTALLER,
  writers: [SERVICE],
  apart: STATE,
};

const FILE = `D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FR;;;${SERVICE})`;
const FOLDER = `D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;${SERVICE})`;

interface Entry extends Partial<Omit<HeldFile, 'secure'>> {
  readonly isSecret?: boolean;
  /** Opening it is denied. */
  readonly isShut?: boolean;
}

/** A disk with these files, and what was done to them, in order. */
class FakeDisk implements ClosableFiles {
  readonly done: [string, Ownership | 'made'][] = [];
  readonly #entries: Map<string, Entry>;

  constructor(entries: Readonly<Record<string, Entry>>) {
    this.#entries = new Map(Object.entries(entries));
  }

  make(folder: string): Promise<void> {
    this.#entries.set(folder, { kind: 'folder', owner: ADMINISTRATORS });
    this.done.push([folder, 'made']);
    return Promise.resolve();
  }

  namesIn(folder: string): Promise<readonly string[]> {
    const paths = [...this.#entries.keys()].filter((path) => dirname(path) === folder);
    return Promise.resolve(paths.map((path) => basename(path)));
  }

  hold<T>(path: string, use: (file: HeldFile) => T): T | undefined {
    const entry = this.#entries.get(path);
    if (entry === undefined) return undefined;
    if (entry.isShut === true) throw new WindowsError('it cannot be changed', 5);
    return use({
      ...{ kind: 'file', names: 1, owner: SYSTEM, hasOwnList: false },
      ...entry,
      secure: (wish) => {
        this.done.push([path, wish]);
      },
    });
  }

  isProtectedSecret(file: string): boolean {
    return this.#entries.get(file)?.isSecret === true;
  }
}

function below(folder: string, entries: Readonly<Record<string, Entry>>): Record<string, Entry> {
  const within = Object.entries(entries).map(([name, entry]) => [join(folder, name), entry]);
  return {
    [folder]: { kind: 'folder', owner: ADMINISTRATORS },
    ...(Object.fromEntries(within) as Record<string, Entry>),
  };
}

test('a folder that is not there is made, then looked at and closed', async () => {
  const disk = new FakeDisk({});
  await closeFolder(disk, CLOSING);
  expect(disk.done).toEqual([
    [DATA, 'made'],
    [DATA, { owner: 'BA', list: FOLDER }],
  ]);
});

test('what is in it already gets owner and list, too, behind the folder; another is left to its own turn', async () => {
  const disk = new FakeDisk(
    below(DATA, {
      'passback.yaml': { owner: INSTALLER },
      keys: { kind: 'folder' },
      'keys/ca.pem': { owner: SERVICE, hasOwnList: true },
      State: { kind: 'folder', owner: STRANGER },
    }),
  );
  await closeFolder(disk, CLOSING);
  expect(disk.done).toEqual([
    [DATA, { owner: 'BA', list: FOLDER }],
    [join(DATA, 'passback.yaml'), { owner: 'BA', list: FILE }],
    [join(DATA, 'keys'), { owner: 'BA', list: FOLDER }],
    [join(DATA, 'keys/ca.pem'), { owner: 'BA', list: FILE }],
  ]);
});

test('the service may change what is in its state folder', async () => {
  const disk = new FakeDisk(below(STATE, { 'device-key.json': { owner: SERVICE } }));
  await closeFolder(disk, { ...CLOSING, folder: STATE, access: 'modify' });
  const [, file] = disk.done;
  expect(file?.[1]).toEqual({
    owner: 'BA',
    list: `D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1301bf;;;${SERVICE})`,
  });
});

test('the list of a protected secret stays as narrow as it is, unless it was inherited', async () => {
  const disk = new FakeDisk(
    below(DATA, {
      'own.secret': { isSecret: true, hasOwnList: true },
      'copied.secret': { isSecret: true },
    }),
  );
  await closeFolder(disk, CLOSING);
  expect(disk.done.slice(1)).toEqual([
    [join(DATA, 'own.secret'), { owner: 'BA' }],
    [join(DATA, 'copied.secret'), { owner: 'BA', list: FILE }],
  ]);
});

test.each<[string, Entry, string]>([
  ['of another account', { owner: STRANGER }, `belongs to ${STRANGER}`],
  ["of the service's account", { owner: SERVICE }, `belongs to ${SERVICE}`],
  ['of nobody', { owner: '' }, 'belongs to nobody'],
  ['that is a link', { kind: 'link', owner: ADMINISTRATORS }, 'is a link'],
  ['that is a file', { kind: 'file', owner: ADMINISTRATORS }, 'is a file'],
  ['that keeps administrators out', { isShut: true }, 'keeps administrators out'],
])('a folder %s is refused, and nothing is done to it', async (_, entry, words) => {
  const disk = new FakeDisk({ [DATA]: { kind: 'folder', ...entry } });
  await expect(closeFolder(disk, CLOSING)).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining(`${DATA} ${words}`) as string,
  });
  expect(disk.done).toEqual([]);
});

test('the refusal names the way out', async () => {
  const disk = new FakeDisk({ [DATA]: { kind: 'folder', owner: STRANGER } });
  await expect(closeFolder(disk, CLOSING)).rejects.toThrow(
    `icacls "${DATA}" /setowner "*S-1-5-32-544" /T /L; then install again`,
  );
});

test.each<[string, Entry, string]>([
  ['of another account', { owner: STRANGER }, `belongs to ${STRANGER}`],
  ['that is a link', { kind: 'link' }, 'is a link'],
  ['that has another name elsewhere', { names: 2 }, 'is also a file elsewhere (a hard link)'],
])('a file in it %s is refused, and the folder is closed by then', async (_, entry, words) => {
  const disk = new FakeDisk(below(DATA, { 'passback.yaml': entry }));
  await expect(closeFolder(disk, CLOSING)).rejects.toThrow(
    `${join(DATA, 'passback.yaml')} ${words}`,
  );
  expect(disk.done).toEqual([[DATA, { owner: 'BA', list: FOLDER }]]);
});

test('a link that somebody was fast enough to put there is refused, too', async () => {
  const disk = new FakeDisk({});
  disk.make = (folder) => {
    disk.hold = (path, use) =>
      use({
        ...{ kind: 'link', names: 1, owner: ADMINISTRATORS, hasOwnList: false },
        secure: () => {
          disk.done.push([path, { owner: folder }]);
        },
      });
    return Promise.resolve();
  };
  await expect(closeFolder(disk, CLOSING)).rejects.toThrow('is a link');
  expect(disk.done).toEqual([]);
});
