import { decodeJwt, decodeProtectedHeader } from 'jose';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { rotateKeys } from '../../src/cloud/keys/create-keys.ts';
import { KeyFolder } from '../../src/cloud/keys/key-folder.ts';
import { OPERATION_LIFETIME_MS } from '../../src/protocol/command.ts';
import { CLOSE_CODES, type Standing } from '../../src/protocol/messages.ts';
import type { Claims } from '../../src/protocol/tokens.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

/** As the machine's, but it is looked for new keys a hundred times as often. */
const clock: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(ms === 2_000 ? 20 : ms, signal),
};

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud({ clock });
  agent = await ScriptedAgent.create(cloud);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

function keySetIn({ keySet }: Pick<Standing, 'keySet'>): Claims<'key-set'> {
  return decodeJwt<Claims<'key-set'>>(keySet);
}

function lastOf(standings: readonly Standing[]): Standing {
  const last = standings.at(-1);
  if (last === undefined) throw new Error('no renewal has come');
  return last;
}

function rotate(compromised = false): Promise<unknown> {
  const folder = new KeyFolder(cloud.folder.keys);
  return rotateKeys(folder, { issuer: cloud.issuer, now: Date.now(), compromised });
}

/** Carries a reset out; gives the key back that its command was signed with. */
async function reset(): Promise<string> {
  const prepared = await prepareOperation(cloud, { account: { name: 'ada' }, op: 'reset' });
  await submitOperation(cloud, prepared);
  const command = agent.commands.at(-1);
  if (command === undefined) throw new Error('no command has come');
  return decodeProtectedHeader(command.token).kid ?? '';
}

test('keys rotated beside a running service are told to its agents, and sign from then on', async () => {
  await agent.join();
  const { welcome, closed } = await agent.connect();
  const first = keySetIn(welcome);
  expect(await reset()).toBe(first.keys[0]?.kid);
  await rotate();
  await eventually(() => {
    expect(agent.renewals).toHaveLength(1);
  });
  const second = keySetIn(lastOf(agent.renewals));
  expect(second.number).toBe(2);
  // What was announced signs; what signed is still believed; something new is announced.
  expect(second.keys.map(({ kid }) => kid)).toEqual([
    first.keys[1]?.kid,
    expect.not.stringMatching(`${first.keys[0]?.kid ?? ''}|${first.keys[1]?.kid ?? ''}`) as string,
    first.keys[0]?.kid,
  ]);
  expect(await reset()).toBe(first.keys[1]?.kid);
  const socket = await Promise.race([closed, Promise.resolve('open')]);
  expect(socket).toBe('open');
});

test('an agent that slept through two rotations is told of the newest set in its welcome', async () => {
  await agent.join();
  const { welcome } = await agent.connect();
  await agent.cut();
  await rotate();
  await rotate();
  await eventually(() => {
    expect(cloud.log.of('cloud.key_set_changed').at(-1)?.fields).toMatchObject({ number: 3 });
  });
  const later = await agent.connect();
  expect(keySetIn(later.welcome).number).toBe(3);
  expect(keySetIn(later.welcome).keys).not.toContainEqual(keySetIn(welcome).keys[0]);
});

test('after a theft no key of the set before is in the next one, and no private one on the disk', async () => {
  await agent.join();
  const { welcome } = await agent.connect();
  const before = keySetIn(welcome).keys.map(({ kid }) => kid);
  await rotate(true);
  await eventually(() => {
    expect(agent.renewals).toHaveLength(1);
  });
  const after = keySetIn(lastOf(agent.renewals)).keys.map(({ kid }) => kid);
  expect(after).toHaveLength(2);
  expect(before.some((kid) => after.includes(kid))).toBe(false);
  expect(await reset()).toBe(after[0]);
  const files = await readdir(cloud.folder.keys);
  expect(files.filter((name) => name.startsWith('signing-')).sort()).toEqual(
    after.map((kid) => `signing-${kid}.json`).sort(),
  );
});

test('a key set that cannot be used changes nothing and is complained about once', async () => {
  await agent.join();
  await agent.connect();
  await rotate();
  await eventually(() => {
    expect(agent.renewals).toHaveLength(1);
  });
  await new KeyFolder(cloud.folder.keys).writeKeySet('a.b.c');
  await eventually(() => {
    expect(cloud.log.of('cloud.key_set_refused')).toHaveLength(1);
  });
  await reset();
  expect(agent.renewals).toHaveLength(1);
});

test('an agent hears of its approval in the session that it has', async () => {
  await agent.enroll();
  const { welcome } = await agent.connect();
  expect(welcome).toMatchObject({ approved: false, peers: [] });
  await agent.approve();
  await eventually(() => {
    expect(agent.renewals).toHaveLength(1);
  });
  expect(lastOf(agent.renewals)).toMatchObject({
    approved: true,
    peers: [{ deviceKey: agent.device.jwk }],
  });
});

test('agents are told of a new sealing key and of a new agent before anybody can seal to it', async () => {
  await agent.join();
  await agent.connect();
  await using other = await ScriptedAgent.create(cloud);
  await other.enroll();
  await other.connect();
  const fingerprints = (): unknown => agent.renewals.at(-1)?.peers.map((p) => p.deviceKey.kid);
  await other.approve();
  const prepared = await prepareOperation(cloud, { account: { name: 'ada' }, op: 'reset' });
  expect(prepared.recipients).toHaveLength(2);
  expect(fingerprints()).toEqual([agent.device.kid, other.device.kid]);

  await other.rotateSealing();
  const told = lastOf(agent.renewals).peers.map(
    ({ sealingKey }) => decodeJwt<Claims<'sealing-key'>>(sealingKey).key.kid,
  );
  expect(told).toContain(other.sealing.kid);
});

test('a sealing key that is said again is announced to nobody', async () => {
  await agent.join();
  await agent.connect();
  await using other = await ScriptedAgent.create(cloud);
  await other.join();
  await other.connect();
  await other.rotateSealing();
  await eventually(() => agent.renewals.length > 0);
  const before = agent.renewals.length;
  const statement = await other.sealingStatement();
  for (let i = 0; i < 5; i += 1) await other.tellSealingKey(statement);
  await other.rotateSealing(); // is announced after whatever came before it
  expect(agent.renewals).toHaveLength(before + 1);
});

test('an agent that rotated while it was away is announced with its hello', async () => {
  await agent.join();
  await agent.connect();
  await using other = await ScriptedAgent.create(cloud);
  await other.join();
  await other.rotateSealingOffline();
  await other.connect();
  await eventually(() => {
    const told = agent.renewals
      .at(-1)
      ?.peers.map(({ sealingKey }) => decodeJwt<Claims<'sealing-key'>>(sealingKey).key.kid);
    expect(told).toContain(other.sealing.kid);
  });
});

test('while an operation may be sealed to a replaced key, an agent that comes anew is told of it', async () => {
  await agent.join();
  await agent.connect();
  await using other = await ScriptedAgent.create(cloud);
  await other.join();
  await other.connect();
  const prepared = await prepareOperation(cloud, { account: { name: 'ada' }, op: 'reset' });
  const statement = await other.sealingStatement();
  await other.rotateSealing();
  const told = async (): Promise<readonly string[]> => {
    await agent.cut();
    const { peers } = (await agent.connect()).welcome;
    return peers.map((peer) => decodeJwt<Claims<'sealing-key'>>(peer.sealingKey).key.kid);
  };
  const sealedTo = prepared.recipients.map(({ key }) => key.kid);
  expect(sealedTo).toHaveLength(2);
  expect(await told()).toEqual([...sealedTo, other.sealing.kid]);
  const at = Date.now() - OPERATION_LIFETIME_MS - 31_000;
  await cloud.inspect((store) =>
    store.agents.update(other.id, { sealingReplaced: { statement, at } }),
  );
  expect(await told()).toEqual([agent.sealing.kid, other.sealing.kid]);
});

test('a sealing key that another agent has is refused with an alarm', async () => {
  await agent.join();
  await agent.connect();
  await using thief = await ScriptedAgent.create(cloud);
  await thief.join();
  const { closed } = await thief.connect();
  const stolen = await thief.sealingStatement(agent.sealing);
  await expect(thief.tellSealingKey(stolen)).rejects.toMatchObject({ code: 'MALFORMED' });
  expect(await closed).toBe(CLOSE_CODES.protocolError);
  expect(cloud.log.of('cloud.agent_alarm').map(({ fields }) => fields.alarm)).toContain(
    'SEALING_KEY_OF_ANOTHER',
  );
});

test('a session that lasts is renewed again and again, and goes on', async () => {
  await using brief = await startTestCloud({ sessionMs: 30 });
  await using lasting = await ScriptedAgent.create(brief);
  await lasting.join();
  const { closed } = await lasting.connect();
  await eventually(() => {
    expect(lasting.renewals.length).toBeGreaterThan(3);
  });
  expect(await Promise.race([closed, Promise.resolve('open')])).toBe('open');
});

test.each([
  ['over an old nonce', { nonce: 'n'.repeat(43) }],
  ['for another session', { sid: '00000000-0000-4000-8000-000000000000' }],
  ['by another agent', { iss: '00000000-0000-4000-8000-000000000000' }],
  ['from the past', { iat: Math.floor(Date.now() / 1000) - 3_600 }],
])('a renewal answered with a hello %s costs the session', async (_what, bend) => {
  await agent.enroll();
  const { closed } = await agent.connect();
  agent.bendRenewal = bend;
  await agent.approve();
  expect(await closed).toBe(CLOSE_CODES.protocolError);
});
