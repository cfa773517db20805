import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryError } from '../../src/agent/directory/directory.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import { signToken, type SigningKey } from '../../src/protocol/tokens.ts';
import { CommandRig, makeKeyPair, OPEN_GUARD } from '../support/command-rig.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { sealUnchecked } from '../support/seal-unchecked.ts';

const START = Date.UTC(2030, 0, 1);
const NEW_PASSWORD = 'Planted-Correct-Horse-7';

let clock: FakeClock;
let directory: FakeDirectory;
let ann: string;
let rig: CommandRig;

beforeEach(async () => {
  clock = new FakeClock(START);
  directory = new FakeDirectory([], clock);
  ann = directory.add({ sam: 'ann', password: 'Old-Password-1' });
  rig = await CommandRig.open({ directory, clock });
});

afterEach(() => rig[Symbol.asyncDispose]());

async function codeOf(...args: Parameters<CommandRig['order']>): Promise<string> {
  return (await rig.order(...args)).outcome.code;
}

test('a reset is applied once, and its outcome says what was done', async () => {
  const { outcome, chain } = await rig.order({ objectGuid: ann, password: NEW_PASSWORD });
  expect(outcome).toMatchObject({
    status: 'applied',
    code: 'APPLIED',
    controller: 'dc1.corp.test',
    effect: { passwordSet: true, unlocked: false, mustChange: 'not-asked', historyEnforced: false },
  });
  expect(chain?.seq).toBe(1);
  expect(directory.passwordOf(ann)).toBe(NEW_PASSWORD);
  expect(directory.wrote(ann)).toBe(1);
});

test('the service hears that the write begins, with the controller, before the outcome', async () => {
  const { cmd, jti } = await rig.order({ objectGuid: ann });
  expect(rig.began).toEqual([{ cmd, jti, controller: 'dc1.corp.test' }]);
});

test('the same token a second time gives the same signed outcome and no second write', async () => {
  const token = await rig.token({ objectGuid: ann });
  const first = await rig.commander.execute(token, rig.session);
  expect(await rig.commander.execute(token, rig.session)).toBe(first);
  expect(directory.wrote(ann)).toBe(1);
});

test('two dispatches of one operation at the same time are one write and one outcome', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const again = { ...claims, jti: randomUUID() };
  const release = directory.hold();
  const answers = [sign(claims), sign(again)].map(async (token) => rig.send(await token));
  release();
  const [first, second] = await Promise.all(answers);
  expect(first).toEqual(second);
  expect(directory.wrote(ann)).toBe(1);
});

test('a known operation is answered from the journal after a restart', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const first = await rig.send(await sign(claims));
  await rig.stop();
  rig = await CommandRig.open({ directory, clock, after: rig });
  const sid = rig.session.id;
  const again = await rig.send(await sign({ ...claims, sid, jti: randomUUID() }));
  expect(again).toEqual(first);
  expect(directory.wrote(ann)).toBe(1);
});

test('an operation that comes again with other content is a mismatch, and the first outcome stays', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const first = await rig.send(await sign(claims));
  const other = await rig.claims({ objectGuid: ann, claims: { cmd: claims.cmd } });
  expect((await rig.send(await sign(other))).outcome.code).toBe('MISMATCH');
  expect(await rig.send(await sign({ ...claims, jti: randomUUID() }))).toEqual(first);
  expect(directory.wrote(ann)).toBe(1);
});

test('outcomes form a chain that a verifier can walk, across a restart', async () => {
  const signed = [];
  for (let i = 0; i < 3; i++) {
    signed.push(await rig.commander.execute(await rig.token({ objectGuid: ann }), rig.session));
  }
  await rig.stop();
  rig = await CommandRig.open({ directory, clock, after: rig });
  signed.push(await rig.commander.execute(await rig.token({ objectGuid: ann }), rig.session));
  let previous = sha256(rig.journal.epoch);
  for (const [i, jws] of signed.entries()) {
    expect((await rig.verify(jws)).chain).toEqual({
      epoch: rig.journal.epoch,
      seq: i + 1,
      previous,
    });
    previous = signedHash(jws);
  }
  expect(rig.journal.head).toBe(previous);
});

test.each<[string, (claims: CommandClaims) => Partial<CommandClaims>, string]>([
  ['another directory', () => ({ aud: 'other' }), 'WRONG_DIRECTORY'],
  ['another agent', () => ({ agent: randomUUID() }), 'WRONG_AGENT'],
  ['another session', () => ({ sid: randomUUID() }), 'WRONG_AGENT'],
  ['another service', () => ({ iss: 'https://evil.example' }), 'BAD_SIGNATURE'],
  ['an hour ago', ({ iat }) => ({ iat: iat - 3600, exp: iat - 3540 }), 'EXPIRED'],
  ['just past its tolerance', ({ iat }) => ({ iat: iat - 95, exp: iat - 35 }), 'EXPIRED'],
  ['the future', ({ iat }) => ({ iat: iat + 120, exp: iat + 180 }), 'NOT_YET_VALID'],
  ['a token that lives too long', ({ iat }) => ({ exp: iat + 3600 }), 'MALFORMED'],
  [
    'an operation that lives too long',
    () => ({ notAfter: new Date(START + 3_600_000).toISOString() }),
    'MALFORMED',
  ],
  [
    'an operation whose time is over',
    () => ({ notAfter: new Date(START - 1).toISOString() }),
    'EXPIRED',
  ],
])('a command for %s is refused and nothing is read or written', async (_what, change, code) => {
  const claims = await rig.claims({ objectGuid: ann });
  const reads = directory.reads;
  const token = await sign({ ...claims, ...change(claims) } as CommandClaims);
  expect((await rig.send(token)).outcome).toMatchObject({ status: 'refused', code });
  expect([directory.reads - reads, directory.writes]).toEqual([0, 0]);
});

test('a command within the clock tolerance is taken', async () => {
  const claims = await rig.claims({ objectGuid: ann, op: 'unlock' });
  const iat = claims.iat - 85;
  const notAfter = new Date(START + 60_000).toISOString();
  const token = await sign({ ...claims, iat, exp: iat + 60, notAfter });
  expect((await rig.send(token)).outcome.code).toBe('APPLIED');
});

test('a command with any byte changed is refused, and leaves nothing in the journal', async () => {
  const token = await rig.token({ objectGuid: ann });
  const seq = rig.journal.seq;
  for (let i = 0; i < token.length; i += 97) {
    const changed = token.slice(0, i) + (token[i] === 'A' ? 'B' : 'A') + token.slice(i + 1);
    const { outcome, chain } = await rig.send(changed);
    expect(['BAD_SIGNATURE', 'MALFORMED']).toContain(outcome.code);
    expect(chain).toBeUndefined();
  }
  expect([rig.journal.seq, directory.writes]).toEqual([seq, 0]);
});

test('a command under a key that is not pinned, or no key at all, is refused', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const stranger = await makeKeyPair('sig');
  const impostor = { ...stranger, kid: rig.keys.service.kid };
  const header = { typ: 'passback-command+jwt', kid: rig.keys.service.kid };
  const none = new UnsecuredJWT({ ...claims }).encode();
  const mac = await new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(new TextEncoder().encode(JSON.stringify(rig.keys.service.jwk)));
  for (const token of [await sign(claims, stranger), await sign(claims, impostor), none, mac]) {
    expect((await rig.send(token)).outcome.code).toBe('BAD_SIGNATURE');
  }
  expect(directory.writes).toBe(0);
});

test('another kind of token under the right key is no command', async () => {
  const toggle = await rig.toggleStatement(1, true);
  expect((await rig.send(toggle)).outcome.code).toBe('MALFORMED');
});

test('a sealed secret moved from another operation does not open', async () => {
  const other = await rig.claims({ objectGuid: ann });
  if (other.op === 'unlock') throw new TypeError('a reset has a secret');
  expect(await codeOf({ objectGuid: ann, secret: other.secret })).toBe('NOT_OPENABLE');
  expect(directory.writes).toBe(0);
});

test('a secret sealed to a key that the agent does not have is refused so that it is sealed again', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  if (claims.op === 'unlock') throw new TypeError('a reset has a secret');
  const header = { ...claims.secret.header, kid: 'x'.repeat(43) };
  const { outcome } = await rig.send(
    await sign({ ...claims, secret: { ...claims.secret, header } }),
  );
  expect(outcome).toMatchObject({ code: 'UNKNOWN_KEY', retry: 'later' });
});

test('paused, the agent refuses what comes, and takes the same operation once it is resumed', async () => {
  await rig.toggle.offer(await rig.toggleStatement(1, false));
  const claims = await rig.claims({ objectGuid: ann });
  expect((await rig.send(await sign(claims))).outcome).toMatchObject({
    code: 'PAUSED',
    retry: 'later',
  });
  await rig.toggle.offer(await rig.toggleStatement(2, true));
  const again = await sign({ ...claims, jti: randomUUID() });
  expect((await rig.send(again)).outcome.code).toBe('APPLIED');
});

test('a write whose session is lost before it begins is not begun, and may be given to it again', async () => {
  const session = { ...rig.session, ended: AbortSignal.abort() };
  const claims = await rig.claims({ objectGuid: ann });
  expect((await rig.send(await sign(claims), session)).outcome.code).toBe('BUSY');
  expect(directory.writes).toBe(0);
  const again = await sign({ ...claims, jti: randomUUID() });
  expect((await rig.send(again)).outcome.code).toBe('APPLIED');
});

test('a command that was held back on the way is not carried out, whatever the wall clocks say', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const held = await sign(claims);
  clock.advance(5_001);
  expect((await rig.send(held)).outcome).toMatchObject({ code: 'BUSY', retry: 'later' });
  expect(directory.writes).toBe(0);
  expect(rig.late).toBe(1); // should the service have this agent's clock wrong, it is told
  const again = await sign({ ...claims, jti: randomUUID(), monotonicMs: clock.monotonic() });
  expect((await rig.send(again)).outcome.code).toBe('APPLIED');
  expect(rig.late).toBe(1);
});

test('the time on the way is part of the time in which a write begins', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const slow = await sign(claims);
  const read = directory.read.bind(directory);
  directory.read = (...args) => {
    clock.advance(3_100);
    return read(...args);
  };
  clock.advance(2_000);
  expect((await rig.send(slow)).outcome.code).toBe('BUSY');
  expect(directory.writes).toBe(0);
  const quick = await sign({ ...claims, jti: randomUUID(), monotonicMs: clock.monotonic() });
  expect((await rig.send(quick)).outcome.code).toBe('APPLIED');
});

test('a command that was long on its way is turned away before the service gives the session up', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const held = await sign(claims);
  const { reads } = directory;
  clock.advance(2_500);
  expect((await rig.send(held)).outcome).toMatchObject({ code: 'BUSY', retry: 'later' });
  expect(directory.reads).toBe(reads);
});

test(
  'so is one whose account cannot be read in what is left of that time',
  { timeout: 1_500 },
  async () => {
    const held = await rig.token({ objectGuid: ann });
    directory.read = async (_address, signal) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      throw new DirectoryError('DIRECTORY_UNREACHABLE', 'no answer');
    };
    clock.advance(2_450);
    expect((await rig.send(held)).outcome).toMatchObject({ retry: 'later' });
  },
);

test(
  'so is one whose account is busy for all of it, and the next one still waits for the account',
  { timeout: 1_500 },
  async () => {
    const { reads } = directory;
    const first = await rig.token({ objectGuid: ann });
    const late = await rig.claims({ objectGuid: ann, op: 'unlock' });
    const release = directory.hold();
    const running = rig.send(first);
    await eventually(() => {
      expect(directory.reads).toBe(reads + 2); // one of them for the baseline
    });
    clock.advance(2_450);
    expect((await rig.send(await sign(late))).outcome).toMatchObject({ code: 'BUSY' });
    const again = { ...late, jti: randomUUID(), monotonicMs: clock.monotonic() };
    const next = rig.send(await sign(again));
    expect(directory.reads).toBe(reads + 2);
    release();
    expect((await running).outcome.code).toBe('APPLIED');
    expect((await next).outcome.code).toBe('APPLIED');
    expect(directory.maxInFlight).toBe(1);
  },
);

test('of many commands that were held back the service is told once a second', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  clock.advance(10_000);
  for (let i = 0; i < 5; i += 1) await rig.send(await sign({ ...claims, jti: randomUUID() }));
  expect(rig.late).toBe(1);
  clock.advance(1_000);
  await rig.send(await sign({ ...claims, jti: randomUUID() }));
  expect(rig.late).toBe(2);
});

test('an agent whose clock ran slower than the service thinks has no more time for it', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const token = await sign({ ...claims, monotonicMs: clock.monotonic() + 60_000 });
  const read = directory.read.bind(directory);
  directory.read = (...args) => {
    clock.advance(5_001);
    return read(...args);
  };
  expect((await rig.send(token)).outcome.code).toBe('BUSY');
  expect(directory.writes).toBe(0);
});

test('the dispatch that was turned away stays turned away when it is replayed', async () => {
  await rig.toggle.offer(await rig.toggleStatement(1, false));
  const token = await rig.token({ objectGuid: ann });
  await rig.send(token);
  await rig.toggle.offer(await rig.toggleStatement(2, true));
  expect((await rig.send(token)).outcome.code).toBe('PAUSED');
  expect(directory.writes).toBe(0);
});

test('a toggle that is older, unsigned or for another directory changes nothing, also after a restart', async () => {
  const stale = await rig.toggleStatement(1, true);
  const forged = await rig.toggleStatement(9, true, await makeKeyPair('sig'));
  expect(await rig.toggle.offer(await rig.toggleStatement(2, false))).toBe('newer');
  expect(await rig.toggle.offer(stale)).toBe('older');
  await expect(rig.toggle.offer(forged)).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
  await rig.stop();
  rig = await CommandRig.open({ directory, clock, after: rig });
  expect(await rig.toggle.offer(stale)).toBe('older');
  expect(rig.toggle.state).toMatchObject({ version: 2, enabled: false, reason: 'maintenance' });
});

test('draining, the agent finishes what it has begun and refuses what comes', async () => {
  const bob = directory.add({ sam: 'bob', password: 'Old-Password-1' });
  const [begun, late] = [
    await rig.token({ objectGuid: ann }),
    await rig.token({ objectGuid: bob, op: 'unlock' }),
  ];
  const reads = directory.reads;
  const release = directory.hold();
  const running = rig.send(begun);
  await eventually(() => {
    expect(directory.reads).toBe(reads + 1);
  });
  const drained = rig.commander.drain();
  expect((await rig.send(late)).outcome.code).toBe('DRAINING');
  release();
  await drained;
  expect((await running).outcome.code).toBe('APPLIED');
});

test.each<[string, Partial<Parameters<FakeDirectory['alter']>[1]>, string]>([
  ['outside the scope', { distinguishedName: 'CN=Ann,OU=Elsewhere,DC=corp' }, 'OUT_OF_SCOPE'],
  ['privileged', { adminCount: true }, 'PROTECTED_ACCOUNT'],
  ['disabled', { disabled: true }, 'ACCOUNT_DISABLED'],
])('an account that is %s is refused without a write', async (_what, facts, code) => {
  directory.alter(ann, facts);
  expect(await codeOf({ objectGuid: ann })).toBe(code);
  expect(directory.writes).toBe(0);
});

test('an operation that the configuration does not list is refused before anything is read', async () => {
  await rig.stop();
  const guard = { ...OPEN_GUARD, operations: { self: [], admin: ['unlock'] } } as const;
  rig = await CommandRig.open({ directory, clock, guard, after: rig });
  const token = await rig.token({ objectGuid: ann });
  const reads = directory.reads;
  expect((await rig.send(token)).outcome.code).toBe('OPERATION_NOT_ALLOWED');
  expect(directory.reads).toBe(reads);
});

test("somebody else's change since the operation was prepared is never overwritten", async () => {
  const token = await rig.token({ objectGuid: ann });
  directory.alter(ann, { pwdLastSet: '133000000000000000' });
  expect((await rig.send(token)).outcome).toMatchObject({ code: 'SUPERSEDED', retry: 'user' });
  expect(directory.writes).toBe(0);
});

test.each(['nul\0inside-1A', 'lone\ud800surrogate-1A', 'x'.repeat(300)])(
  'a password that nobody could log on with is refused however it was sealed',
  async (password) => {
    // Sealing refuses these, so a sealer of somebody else's making stands in.
    const claims = await rig.claims({ objectGuid: ann });
    const secret = await sealUnchecked({ password }, claims, rig.keys.sealing.jwk);
    const token = await sign({ ...claims, secret } as CommandClaims);
    expect((await rig.send(token)).outcome.code).toBe('PASSWORD_NOT_ENCODABLE');
    expect(directory.writes).toBe(0);
  },
);

test('must-change is set when asked, and left out and reported for a password that never expires', async () => {
  const asked = { objectGuid: ann, claims: { mustChange: true } };
  expect((await rig.order(asked)).outcome.effect?.mustChange).toBe('set');
  directory.alter(ann, { passwordNeverExpires: true, mustChange: false });
  expect((await rig.order(asked)).outcome.effect?.mustChange).toBe('skipped-never-expires');
});

test('a wrong old password is the person’s to correct', async () => {
  const order = { objectGuid: ann, op: 'change', oldPassword: 'not-it' } as const;
  expect((await rig.order(order)).outcome).toMatchObject({ code: 'WRONG_PASSWORD', retry: 'user' });
});

test('what the directory could not do with nothing sent may be dispatched again', async () => {
  directory.failNext('apply', new DirectoryError('DIRECTORY_UNREACHABLE', 'refused'));
  const claims = await rig.claims({ objectGuid: ann });
  expect((await rig.send(await sign(claims))).outcome.code).toBe('DIRECTORY_UNREACHABLE');
  expect(rig.journal.open).toBe(0);
  const again = await sign({ ...claims, jti: randomUUID() });
  expect((await rig.send(again)).outcome.code).toBe('APPLIED');
});

test('what was sent and never answered is found out in the account, and not sent again', async () => {
  const error = new DirectoryError('INDETERMINATE', 'cut');
  directory.failNext('apply', { error, applied: true });
  const claims = await rig.claims({ objectGuid: ann });
  const first = await rig.send(await sign(claims));
  expect(first.outcome).toMatchObject({ status: 'applied', inferred: true });
  expect(await rig.send(await sign({ ...claims, jti: randomUUID() }))).toEqual(first);
  expect(directory.wrote(ann)).toBe(1);
});

test('a controller whose clock is far off is not written to, and both clocks are named', async () => {
  const read = directory.read.bind(directory);
  directory.read = async (...args) => {
    const account = await read(...args);
    return { ...account, controllerTimeMs: account.readAtMs + 6 * 60_000 };
  };
  const { outcome } = await rig.order({ objectGuid: ann });
  expect(outcome.code).toBe('CLOCK_SKEW');
  expect(outcome.message).toMatch(/2030-01-01T00:00:00.000Z.*2030-01-01T00:06:00.000Z/);
  expect(directory.writes).toBe(0);
});

test('neither log nor journal ever holds a password', async () => {
  await rig.order({ objectGuid: ann, password: NEW_PASSWORD });
  await rig.order({
    objectGuid: ann,
    op: 'change',
    password: 'Planted-B-1',
    oldPassword: 'Planted-C-1',
  });
  expect(rig.log.text()).toContain('reset_by_admin.applied');
  expect(
    rig.log.text() + (await readFile(join(rig.folder, 'journal.jsonl'), 'utf8')),
  ).not.toContain('Planted');
});

function sign(claims: CommandClaims, key: SigningKey = rig.keys.service): Promise<string> {
  return signToken('command', claims, key);
}
