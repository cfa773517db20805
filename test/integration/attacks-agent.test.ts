import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryError } from '../../src/agent/directory/directory.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { CommandRig } from '../support/command-rig.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';

const START = Date.UTC(2030, 0, 1);

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

test('a dispatch that was refused in another session stays refused in its own, also after a restart', async () => {
  const token = await rig.token({ objectGuid: ann });
  const elsewhere = { ...rig.session, id: randomUUID() };
  const refused = await rig.commander.execute(token, elsewhere);
  expect((await rig.verify(refused)).outcome.code).toBe('WRONG_AGENT');
  expect(await rig.commander.execute(token, rig.session)).toBe(refused);
  await rig.stop();
  await using after = await CommandRig.open({ directory, clock, after: rig });
  expect(await after.commander.execute(token, rig.session)).toBe(refused);
  expect(directory.writes).toBe(0);
});

test('a dispatch that came too early stays refused when its time comes', async () => {
  const iat = START / 1000 + 45;
  const claims = { iat, exp: iat + 60 };
  const token = await rig.token({ objectGuid: ann, claims });
  const refused = await rig.commander.execute(token, rig.session);
  expect((await rig.verify(refused)).outcome.code).toBe('NOT_YET_VALID');
  clock.advance(50_000);
  expect(await rig.commander.execute(token, rig.session)).toBe(refused);
  expect(directory.writes).toBe(0);
});

test('whoever holds the socket cannot fill the journal with what was never commanded', async () => {
  const token = await rig.token({ objectGuid: ann });
  const foreign = await rig.token({ objectGuid: ann, claims: { agent: randomUUID() } });
  const { seq } = rig.journal;
  await rig.send(`${token.slice(0, -6)}AAAAAA`);
  await rig.send(foreign, { ...rig.session, id: randomUUID() });
  expect(rig.journal.seq).toBe(seq);
});

test('a later dispatch is never answered with the refusal of an earlier one', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  const again = { ...claims, jti: randomUUID() };
  const [one, two] = await Promise.all(
    [claims, again].map((of) => signToken('command', of, rig.keys.service)),
  );
  const release = directory.hold();
  directory.failNext('read', new DirectoryError('DIRECTORY_UNREACHABLE', 'gone'));
  const answers = [rig.send(one ?? ''), rig.send(two ?? '')];
  release();
  const [first, second] = await Promise.all(answers);
  expect([first?.jti, second?.jti]).toEqual([claims.jti, again.jti]);
  // Which of the two is verified first is not fixed; that the other one is tried afresh is.
  expect([first?.outcome.code, second?.outcome.code].sort()).toEqual([
    'APPLIED',
    'DIRECTORY_UNREACHABLE',
  ]);
  expect(directory.wrote(ann)).toBe(1);
});

test('while a refusal is on its way to the disk, the same token does not slip through', async () => {
  const token = await rig.token({ objectGuid: ann });
  const elsewhere = { ...rig.session, id: randomUUID() };
  const answers = [rig.send(token, elsewhere), rig.send(token)];
  const [first, second] = await Promise.all(answers);
  expect(second).toEqual(first);
  expect(directory.writes).toBe(first?.outcome.code === 'APPLIED' ? 1 : 0);
});

test('a dispatch that was applied is not called refused when it comes in another session', async () => {
  const token = await rig.token({ objectGuid: ann });
  const applied = await rig.commander.execute(token, rig.session);
  const elsewhere = { ...rig.session, id: randomUUID() };
  expect(await rig.commander.execute(token, elsewhere)).toBe(applied);
});

test('an ephemeral key off the curve makes a secret not openable, and is no bug', async () => {
  const claims = await rig.claims({ objectGuid: ann });
  if (claims.op === 'unlock') throw new Error('a reset has a secret');
  const epk = { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) } as const;
  const { secret } = claims;
  const header = Buffer.from(JSON.stringify({ enc: 'A256GCM' })).toString('base64url');
  const bent = { ...secret, protected: header, header: { ...secret.header, epk } };
  const outcome = await rig.send(
    await signToken('command', { ...claims, secret: bent }, rig.keys.service),
  );
  expect(outcome.outcome.code).toBe('NOT_OPENABLE');
});

test.each(['9999999999999999999', '-0'])(
  'a value that no directory has (%s) is never written into the journal',
  async (lockoutTime) => {
    directory.alter(ann, { lockoutTime });
    await rig.order({ objectGuid: ann, op: 'unlock' }).catch(() => undefined);
    expect(directory.writes).toBe(0);
    await rig.stop();
    await using after = await CommandRig.open({ directory, clock, after: rig });
    expect(after.journal.open).toBe(0);
  },
);

test('a sealing key from the future, made while the clock was wrong, is replaced at the start', async () => {
  await using service = await ScriptedService.start();
  await using agent = await StartedAgent.enroll(service, { directory });
  const file = join(agent.stateFolder, 'sealing-keys.json');
  const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: object[] };
  await writeFile(
    file,
    JSON.stringify({ keys: keys.map((key) => ({ ...key, since: '2999-01-01T00:00:00.000Z' })) }),
  );
  agent.start();
  await eventually(() => agent.log.of('keys.rotated').length === 1);
});
