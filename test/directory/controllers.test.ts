import { Resolver } from 'node:dns/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import type { AccountChange, Directory } from '../../src/agent/directory/directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import type { LabController } from '../lab/description.ts';
import { startLab, type RunningLab } from '../lab/start-lab.ts';
import { eventually } from '../support/eventually.ts';
import { MemoryLog } from '../support/memory-log.ts';

const NEVER = new AbortController().signal;
const [PDC, OTHER] = ['DC1.corp.test', 'DC2.corp.test'];

let lab: RunningLab;
const opened: Directory[] = [];
let log = new MemoryLog();

/** Time that runs as it does, and now and then faster. */
let shiftMs = 0;
const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + shiftMs };

beforeAll(async () => {
  lab = await startLab({ controllers: 2 });
}, 300_000);

afterAll(() => lab.stop());

beforeEach(async () => {
  shiftMs = 0;
  await lab.reset();
});

afterEach(async () => {
  for (const directory of opened.splice(0)) await directory[Symbol.asyncDispose]();
});

function open(options: Partial<ActiveDirectoryOptions> = {}): Directory {
  log = new MemoryLog();
  const { userPrincipalName: user, password } = lab.serviceAccount;
  const directory = openActiveDirectory({
    domainControllers: otherFirst(),
    ca: [lab.ca],
    bind: { user, password: async () => new Secret(password) },
    clock,
    log,
    ...options,
  });
  opened.push(directory);
  return directory;
}

function otherFirst(): readonly [LabController, ...LabController[]] {
  const [pdc, other] = lab.controllers;
  if (pdc === undefined || other === undefined) throw new Error('the lab has one controller');
  return [other, pdc];
}

function read(directory: Directory, sam: string) {
  return directory.read({ objectGuid: lab.person(sam).objectGuid }, NEVER);
}

function reset(directory: Directory, sam: string, password: string) {
  const change: AccountChange = {
    op: 'reset',
    password: new Secret(password),
    unlock: true,
    mustChange: false,
    policyHints: 'off',
  };
  return read(directory, sam).then(({ objectGuid, controller }) =>
    directory.apply({ objectGuid, controller }, change, NEVER),
  );
}

test('the PDC emulator is asked, wherever it is in the list', async () => {
  const reading = await read(open(), 'anna');
  expect(reading.controller).toBe(PDC);
  expect((await read(open({ preferPdc: false }), 'anna')).controller).toBe(OTHER);
});

test('each controller counts in the life of its own database', async () => {
  const directory = open();
  const ids = await Promise.all(
    lab.controllers.map(async ({ name }) => {
      const { objectGuid } = lab.person('anna');
      return (await directory.read({ objectGuid }, NEVER, { only: name })).invocationId;
    }),
  );
  expect(new Set(ids).size).toBe(2);
  expect(ids).not.toContain(undefined);
});

test('a person is served while the PDC emulator is away, and stays until it has caught up', async () => {
  const directory = open();
  expect((await read(directory, 'anna')).controller).toBe(PDC);
  await lab.stopController(0);
  await reset(directory, 'anna', 'Written-1-elsewhere');
  expect(await lab.kinit('anna', 'Written-1-elsewhere', 1)).toBe('ok');
  expect((await read(directory, 'anna')).controller).toBe(OTHER);
  const health = await directory.check(NEVER);
  expect(health).toMatchObject([
    { name: OTHER, reachable: true },
    { name: PDC, reachable: false },
  ]);

  await lab.startController(0);
  shiftMs += 20_000;
  // Somebody that nothing was written of goes home as soon as it is back.
  await eventually(async () => {
    shiftMs += 1_000;
    expect((await read(directory, 'ben')).controller).toBe(PDC);
  }, 20_000);
  // Whoever was written stays until both show the same, then goes home, too.
  await eventually(async () => {
    expect((await read(directory, 'anna')).controller).toBe(PDC);
  }, 60_000);
  expect(await lab.pwdLastSet('anna', 0)).toBe(await lab.pwdLastSet('anna', 1));
}, 180_000);

test('a frozen controller costs a person the head start of the next one, once', async () => {
  const directory = open();
  expect((await read(directory, 'anna')).controller).toBe(PDC);
  await lab.pauseController(0);
  try {
    const started = performance.now();
    expect((await read(directory, 'anna')).controller).toBe(OTHER);
    expect(performance.now() - started).toBeLessThan(4_000);
    const again = performance.now();
    expect((await read(directory, 'ben')).controller).toBe(OTHER);
    expect(performance.now() - again).toBeLessThan(1_000);
  } finally {
    await lab.unpauseController(0);
  }
});

test('a wrong password is shown to one controller of the two, once', async () => {
  const { userPrincipalName: user } = lab.serviceAccount;
  const wrong = open({ bind: { user, password: async () => new Secret('Wrong-1-password') } });
  for (let i = 0; i < 8; i++) {
    await expect(read(wrong, 'anna')).rejects.toMatchObject({ code: 'DIRECTORY_CONFIG' });
  }
  const health = await wrong.check(NEVER);
  expect(health.map(({ bound }) => bound)).toEqual([false, false]);
  expect(log.of('directory.credential_rejected')).toHaveLength(1);
  await expect(read(open(), 'anna')).resolves.toBeDefined();
});

test('the domain itself knows where its controllers are', async () => {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers(lab.controllers.map(({ internalAddress }) => internalAddress));
  const byName = new Map(lab.controllers.map((one) => [one.name.toLowerCase(), one]));
  const directory = open({
    domainControllers: {
      domain: lab.domain,
      site: 'Default-First-Site-Name',
      resolver,
      place: (name) => byName.get(name) ?? { name },
    },
  });
  expect((await read(directory, 'anna')).controller).toBe(PDC);
  const health = await directory.check(NEVER);
  expect(health.map(({ name, bound }) => [name, bound]).toSorted()).toEqual(
    lab.controllers.map(({ name }) => [name, true]).toSorted(),
  );
});
