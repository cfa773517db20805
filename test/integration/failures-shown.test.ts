import { afterEach, beforeEach, expect, test } from 'vitest';
import { openActiveDirectory } from '../../src/agent/directory/active-directory.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import type { LocalStatus } from '../../src/agent/health/local-status.ts';
import type { Duties } from '../../src/agent/health/schedule.ts';
import { StatusView } from '../../src/cloud/api/bodies.ts';
import { statusText } from '../../src/cloud/cli/status-text.ts';
import { PING_EVERY_MS } from '../../src/protocol/messages.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { enrollApproved } from '../support/agent-fleet.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeDirectory } from '../support/fake-directory.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { freePort } from '../support/free-port.ts';
import { ldapDomain } from '../support/ldap-domain.ts';
import { startLdapServer, type LdapServer } from '../support/ldap-server.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { passback } from '../support/run-passback.ts';
import type { StartedAgent } from '../support/start-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';
import { createTestCa } from '../support/test-ca.ts';

/** A whole agent that is approved and connected, and how it is asked. */
interface Member {
  readonly id: string;
  readonly agent: StartedAgent;
  readonly port: number;
  /** What is due each minute. */
  readonly duties: () => Duties;
}

let clock: FakeClock;
let cloud: TestCloud;
/** Stands before the service for whoever dials it. */
let proxy: FaultProxy;
const running: AsyncDisposable[] = [];

/** One clock for the service and its agents: it moves only when a test says so. */
beforeEach(async () => {
  clock = new FakeClock(Date.now(), { autoAdvance: false });
  cloud = await startTestCloud({ clock });
  const upstream = { host: '127.0.0.1', port: Number(new URL(cloud.address).port) };
  proxy = await FaultProxy.start(upstream, new FakeClock(0, { autoAdvance: false }));
  running.push(cloud, proxy);
});

afterEach(async () => {
  for (const resource of running.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function member(directory: Directory, url = cloud.address): Promise<Member> {
  const port = await freePort();
  let given: Duties | undefined;
  const { id, agent } = await enrollApproved(cloud, {
    ...{ directory, url, clock, health: { port } },
    schedule: (duties) => {
      given = duties;
      return { [Symbol.dispose]: () => {} };
    },
  });
  running.push(agent);
  agent.start();
  const duties = (): Duties => {
    if (given === undefined) throw new Error('the agent has not started');
    return given;
  };
  await eventually(async () => {
    expect(await readyz({ port })).toEqual({ status: 200, text: 'ok\n' });
  });
  return { id, agent, port, duties };
}

async function ask({ port }: Pick<Member, 'port'>, path: string) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

function readyz(of: Pick<Member, 'port'>): ReturnType<typeof ask> {
  return ask(of, '/readyz');
}

function shown({ agent }: Member) {
  return passback(['status', '--state-folder', agent.stateFolder]);
}

/** What the agent's machine is shown of everything but the link, without when it was asked. */
async function apartFromLink(of: Member): Promise<unknown> {
  const {
    link: _,
    notReady: __,
    ...rest
  } = JSON.parse((await ask(of, '/status.json')).text) as LocalStatus;
  return { ...rest, status: { ...rest.status, at: '' } };
}

/** What the service is asked for, and what `passback-cloud status` makes of it. */
async function serviceStatus() {
  const { body } = await cloud.call('GET', 'status');
  const status = StatusView.parse(body);
  const agentOf = ({ id }: Member) => status.agents.find((agent) => agent.id === id);
  return { ...status, text: statusText(status, {}), agentOf };
}

function linkDowns(log: MemoryLog, event: 'link.down' | 'cloud.link_down') {
  return log.of(event).map(({ fields }) => String(fields.reason));
}

/** Lets a second pass for everybody, and no further before a ping that gets through is answered. */
async function second(answered: () => boolean): Promise<void> {
  clock.advance(1_000);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  await eventually(answered);
}

test('a black-holed link is noticed on both ends within 40 s, said by both in words, and nothing else flips', async () => {
  const far = await member(new FakeDirectory(), `https://127.0.0.1:${proxy.port}`);
  const near = await member(new FakeDirectory());
  const beats = (): number => clock.slept.filter((ms) => ms === PING_EVERY_MS).length;
  clock.advance(PING_EVERY_MS);
  await eventually(() => beats() === 4); // one pong each proves that everybody is at rest
  const before = {
    far: await apartFromLink(far),
    near: await apartFromLink(near),
    service: await serviceStatus(),
  };

  proxy.swallow();
  const noticed = { agent: Infinity, service: Infinity };
  for (let seconds = 1; seconds <= 60; seconds++) {
    await second(() => beats() >= 4 + Math.floor((seconds * 1_000) / PING_EVERY_MS));
    if (linkDowns(far.agent.log, 'link.down').length === 0) continue;
    noticed.agent = Math.min(noticed.agent, seconds);
    if (linkDowns(cloud.log, 'cloud.link_down').length === 0) continue;
    noticed.service = seconds;
    break;
  }
  expect(noticed.agent).toBeLessThanOrEqual(40);
  expect(noticed.service).toBeLessThanOrEqual(40);
  expect(linkDowns(cloud.log, 'cloud.link_down')[0]).toBe('silence');

  const because =
    /^no session with the reset service at https:\/\/127\.0\.0\.1:\d+ since \S+Z: no answer to a ping[^\n]*\n$/;
  expect(await readyz(far)).toEqual({
    status: 503,
    text: expect.stringMatching(because) as string,
  });
  const local = await shown(far);
  expect(local.code).toBe(3);
  expect(local.out).toMatch(
    /^Writeback: running \(not ready\)\n {2}- no session with .*ping.*\nLink: /,
  );
  const after = await serviceStatus();
  expect(after.agentOf(far)).toMatchObject({ connected: false });
  expect(after.text).toMatch(
    new RegExp(`${far.id} +test +approved +offline .*\n +last seen \\S+Z\n`),
  );

  expect(await ask(far, '/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await apartFromLink(far)).toEqual(before.far);
  expect(await apartFromLink(near)).toEqual(before.near);
  expect(await readyz(near)).toEqual({ status: 200, text: 'ok\n' });
  const { agents: was, text: _, agentOf: __, ...others } = before.service;
  const summary = 'up and running: 1 of 2 agents is not (test)';
  expect(after).toMatchObject({ ...others, summary });
  expect(after.agents.map(({ report, state }) => ({ report, state }))).toEqual(
    was.map(({ report, state }) => ({ report, state })),
  );
  expect(after.agentOf(near)).toMatchObject({ connected: true });

  await near.agent.stop();
  expect(await serviceStatus()).toMatchObject({
    connectivity: 'cannot-connect',
    summary: 'no agent is connected',
    action: expect.stringContaining('proxies and firewalls') as string,
  });
});

test('a stopped domain controller is said by both ends within one probe, and nothing else flips', async () => {
  const { directory, servers } = await domain(['dc1.corp.test', 'dc2.corp.test']);
  const far = await member(directory);
  const near = await member(new FakeDirectory());
  const before = { link: await linkOf(far), near: await apartFromLink(near) };
  expect((await shown(far)).out).toMatch(/dc1\.corp\.test +yes .*\ndc2\.corp\.test +yes /);

  await servers[0].stop();
  await far.duties().probe();
  const nothingListens = /dc1\.corp\.test \(127\.0\.0\.1:\d+\): nothing listens there/;
  expect((await shown(far)).out).toMatch(/dc1\.corp\.test +unreachable .*\ndc2\.corp\.test +yes /);
  expect((await shown(far)).out).toMatch(nothingListens);
  expect(await readyz(far)).toEqual({ status: 200, text: 'ok\n' }); // the other one does the work
  await eventually(async () => {
    const { text, agentOf } = await serviceStatus();
    expect(agentOf(far)?.report?.state).toBe('degraded');
    expect(text).toMatch(nothingListens);
  });

  await servers[1].stop();
  await far.duties().probe();
  expect(await readyz(far)).toEqual({
    status: 503,
    text: expect.stringMatching(/^no domain controller can be used\ndc1\..*\ndc2\..*\n/) as string,
  });
  expect((await shown(far)).out).toMatch(
    /^Writeback: down \(not ready\)\n {2}- no domain controller/,
  );
  await eventually(async () => {
    const { text, agentOf } = await serviceStatus();
    expect(agentOf(far)).toMatchObject({ connected: true, report: { state: 'down' } });
    expect(text).toContain('no domain controller can be used');
  });

  const { connectivity, writeback, agentOf } = await serviceStatus();
  expect([connectivity, writeback.enabled]).toEqual(['up', true]);
  expect(agentOf(near)).toMatchObject({ connected: true, report: { state: 'running' } });
  expect(await ask(far, '/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await linkOf(far)).toEqual(before.link);
  expect(await apartFromLink(near)).toEqual(before.near);
});

async function linkOf(of: Member): Promise<LocalStatus['link']> {
  return (JSON.parse((await ask(of, '/status.json')).text) as LocalStatus).link;
}

/** Domain controllers that speak LDAP on real sockets, and the agent's own way to them. */
async function domain(
  names: readonly [string, string],
): Promise<{ readonly directory: Directory; readonly servers: readonly [LdapServer, LdapServer] }> {
  const ca = await createTestCa();
  const certificate = await ca.issue([...names]);
  const start = () => startLdapServer({ certificate, answer: ldapDomain() });
  const servers = await Promise.all([start(), start()]);
  const at = (n: 0 | 1) => ({ name: names[n], address: '127.0.0.1', port: servers[n].port });
  const directory = openActiveDirectory({
    domainControllers: [at(0), at(1)],
    ca: [ca.ca],
    bind: { user: 'agent@corp.test', password: async () => new Secret('Agent-1-password') },
    timeouts: { connectMs: 2_000, headStartMs: 150, readMs: 2_000, writeMs: 2_000, totalMs: 4_000 },
    clock: systemClock,
    log: new MemoryLog(),
  });
  running.push(...servers, directory);
  return { directory, servers };
}

test('a disabled agent is alive, says at its machine who can end that, and is back within a quarter of an hour of it', async () => {
  const one = await member(new FakeDirectory());
  const setTo = (word: 'disable' | 'enable') => cloud.call('POST', `agents/${one.id}/${word}`);
  expect((await setTo('disable')).status).toBe(200);
  const because =
    /^no session with the reset service at \S+ since \S+Z: an admin has disabled this agent[^\n]*passback-cloud agent enable[^\n]*\n$/;
  await eventually(async () => {
    expect(await readyz(one)).toEqual({
      status: 503,
      text: expect.stringMatching(because) as string,
    });
  });
  expect(await ask(one, '/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await shown(one)).toMatchObject({
    code: 3,
    out: expect.stringContaining('an admin has disabled this agent') as string,
  });

  expect((await setTo('enable')).status).toBe(200);
  clock.advance(15 * 60_000);
  await eventually(async () => {
    expect(await readyz(one)).toEqual({ status: 200, text: 'ok\n' });
  });
});
