import { chown, lstat, mkdir, mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Program, type Ended } from '../support/program.ts';

const [UID, GID] = [65_534, 65_533] as const;

let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'passback-orders-'));
  await chown(path, UID, GID);
});

afterEach(() => rm(path, { recursive: true, force: true }));

/** `passback pause`, in a process of its own: it is another account in the end. */
async function pause(stateFolder: string): Promise<Ended> {
  await using program = new Program('agent', [
    ...['pause', '--reason', 'x', '--state-folder', stateFolder],
  ]);
  return await program.ended;
}

describe.skipIf(process.platform === 'win32' || process.geteuid?.() !== 0)(
  'what root orders',
  () => {
    test('belongs to the account of the agent', async () => {
      expect(await pause(path)).toMatchObject({ stderr: '', code: 0 });
      const { uid, gid, mode } = await stat(join(path, 'local-orders.json'));
      expect([uid, gid, mode & 0o777]).toEqual([UID, GID, 0o600]);
    });

    test('is written nowhere that this account could not write to itself', async () => {
      const secret = await mkdtemp(join(tmpdir(), 'passback-roots-'));
      try {
        await symlink(secret, join(path, 'state'));
        const { code, stderr } = await pause(join(path, 'state'));
        expect(code).toBe(1);
        expect(stderr).toContain(path);
        expect(await readdir(secret)).toEqual([]);
      } finally {
        await rm(secret, { recursive: true, force: true });
      }
    });

    test('is written nowhere either that a link of this account, met by one of root’s, leads to', async () => {
      const secret = await mkdtemp(join(tmpdir(), 'passback-roots-'));
      try {
        const within = join(secret, 'within');
        await mkdir(within);
        await symlink(within, join(path, 'there'));
        await symlink(join(path, 'there'), join(secret, 'state'));
        const { code } = await pause(join(secret, 'state'));
        expect(code).toBe(1);
        expect(await readdir(within)).toEqual([]);
      } finally {
        await rm(secret, { recursive: true, force: true });
      }
    });

    test('is refused where several accounts own the way there', async () => {
      const state = join(path, 'state');
      await mkdir(state, { mode: 0o700 });
      await chown(state, UID - 1, GID);
      const { code, stderr } = await pause(state);
      expect(code).toBe(1);
      expect(stderr).toContain(
        `${path} on the way to ${state} belongs to another account (uid ${UID}), which could lead root elsewhere: run this as the account of the agent (sudo -u '#${UID - 1}' …)`,
      );
      expect((await lstat(state)).uid).toBe(UID - 1);
      expect(await readdir(state)).toEqual([]);
    });
  },
);
