import { SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeOrders } from '../../src/agent/commands/guard/local-orders.ts';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import { OPEN_GUARD } from '../support/command-rig.ts';
import { eventually } from '../support/eventually.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { resetClaims } from '../support/make-command.ts';
import { ScriptedService } from '../support/scripted-service.ts';
import { StartedAgent } from '../support/start-agent.ts';

const NARROW: GuardSettings = {
  ...OPEN_GUARD,
  operations: { self: ['unlock'], admin: ['reset'] },
  deniedBaseDns: ['OU=VIP,OU=People,DC=corp,DC=test'],
  protectedGroups: ['S-1-5-21-1000-2000-3000-2001'],
  limits: { ...OPEN_GUARD.limits, perAccount: 2, inspections: { self: 1, admin: 5 } },
  breaker: { windowMinutes: 10, perActor: 4, overall: 5 },
  dryRun: true,
};

let directory: FakeDirectory;
let service: ScriptedService;
let ann: string;
let agent: StartedAgent;

beforeEach(async () => {
  directory = new FakeDirectory();
  ann = directory.add({ sam: 'ann', password: 'Old-Password-1' });
  service = await ScriptedService.start();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

async function start(guard: GuardSettings): Promise<void> {
  agent = await StartedAgent.enroll(service, { directory, guard });
  agent.start();
  await eventually(() => agent.ready);
}

/** What a question about ann is answered with. */
async function verdict(): Promise<string> {
  const { verdict } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  return verdict?.code ?? 'ALLOWED';
}

test('the hello says what the guard allows, as numbers where names are the business of the site', async () => {
  await start(NARROW);
  expect(service.session.hello?.guard).toEqual({
    self: ['unlock'],
    admin: ['reset'],
    baseDns: ['OU=People,DC=corp,DC=test'],
    deniedBaseDns: 1,
    allowedGroups: 0,
    protectedGroups: 1,
    protectedAccounts: 0,
    allowServicePrincipalNames: false,
    limits: NARROW.limits,
    breaker: { ...NARROW.breaker, open: false, stoppedActors: 0 },
    dryRun: true,
    policyHints: NARROW.policyHints,
    peers: 0,
  });
  expect(service.session.hello?.status.reasons).toContain('dry run: nothing is written');
  expect(agent.log.of('writeback.dry_run')).toMatchObject([{ level: 'warn' }]);
});

test('nothing that the service says in welcome, toggle or command widens the guard', async () => {
  await start(NARROW);
  const before = service.session.hello?.guard;
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  const claims = await resetClaims(service, ann, account.baseline);
  // Members that the protocol does not have are no command at all, however well signed.
  const widened = { ...claims, guard: OPEN_GUARD, dryRun: false };
  const command = await new SignJWT(widened)
    .setProtectedHeader({
      alg: 'ES256',
      typ: 'passback-command+jwt',
      kid: service.keys.signing.kid,
    })
    .sign(service.keys.signing.key);
  expect((await service.send(command)).outcome.code).toBe('MALFORMED');
  expect(
    (await service.execute(await resetClaims(service, ann, account.baseline))).outcome,
  ).toMatchObject({ code: 'DRY_RUN', dryRun: true });
  service.welcome = { toggle: await service.toggle(7, true), keySet: await service.keySet(2) };
  service.session.socket.terminate();
  await eventually(() => service.sessions.length === 2 && agent.log.of('link.up').length === 2);
  expect(service.session.hello?.guard).toEqual(before);
  expect(directory.writes).toBe(0);
});

test('questions are limited, too: what they cannot prepare they do not answer', async () => {
  await start(NARROW);
  for (let i = 0; i < 5; i++) expect(await verdict()).toBe('ALLOWED');
  const reads = directory.reads;
  const { verdict: refused } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  expect(refused?.code).toBe('RATE_LIMITED');
  expect(Date.parse(refused?.notBefore ?? '')).toBeGreaterThan(Date.now());
  expect(directory.reads).toBe(reads);
});

test('a question says what the operation would meet: the limit of its account, the breaker', async () => {
  const limits = { ...OPEN_GUARD.limits, perAccount: 1 };
  await start({ ...OPEN_GUARD, limits, breaker: { windowMinutes: 10, perActor: 1, overall: 3 } });
  const { account } = await service.inspect({ account: { objectGuid: ann }, op: 'reset' });
  if (account === undefined) throw new Error('ann cannot be reset');
  await service.execute(await resetClaims(service, ann, account.baseline));
  expect(await verdict()).toBe('RATE_LIMITED');
  const ben = directory.add({ sam: 'ben', password: 'Old-Password-1' });
  await service.execute(await resetClaims(service, ben, account.baseline));
  expect(await verdict()).toBe('BREAKER_OPEN');
  expect(directory.wrote(ben)).toBe(0);
  await eventually(() => {
    expect(agent.log.text()).toContain('the breaker has stopped 1 of the callers');
  });
});

test('a pause ordered at the machine is told to the service with the next question', async () => {
  await start(OPEN_GUARD);
  const pause = { reason: 'audit', since: new Date().toISOString() };
  await writeOrders(agent.stateFolder, { pause });
  expect(await verdict()).toBe('PAUSED');
  await eventually(() => {
    expect(agent.log.of('status.changed').at(-1)?.fields).toMatchObject({
      state: 'paused',
      reasons: [`paused at the agent since ${pause.since}: audit`],
    });
    expect(service.session.statements).not.toHaveLength(0);
  });
});
