import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/support/clock.ts';
import { prepareOperation, submitOperation, type Prepared } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { loseOutcome } from '../support/lose-outcome.ts';
import { ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';

let offsetMs: number;
/** Lets the service's minutely round begin. */
let sweepNow: () => void;
let cloud: TestCloud;
let agent: ScriptedAgent;
/** Comes and goes, so that the service looks again at what it waits for. */
let visitor: ScriptedAgent;

beforeEach(async () => {
  offsetMs = 0;
  cloud = await startTestCloud({
    clock: {
      ...systemClock,
      now: () => Date.now() + offsetMs,
      sleep: (ms, signal) => (ms === 60_000 ? nextSweep(signal) : systemClock.sleep(ms, signal)),
    },
  });
  agent = await ScriptedAgent.create(cloud);
  visitor = await ScriptedAgent.create(cloud);
  await agent.join();
  await visitor.enroll();
  await agent.connect();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await visitor[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

function nextSweep(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    sweepNow = resolve;
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

async function passTime(ms: number): Promise<void> {
  offsetMs += ms;
  agent.offsetMs = offsetMs;
  visitor.offsetMs = offsetMs;
  await visitor.cut();
  await eventually(() => visitor.connect());
}

async function statusOf({ operation }: Prepared): Promise<unknown> {
  return (await cloud.call('GET', `operations/${operation}`)).body;
}

test('an operation that no agent ever got expires', async () => {
  const prepared = await prepareOperation(cloud);
  await agent.cut();
  expect((await submitOperation(cloud, prepared, { waitS: 0 })).status).toBe(202);
  await passTime(301_000);
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({ status: 'expired', final: true });
  });
  const stored = await cloud.inspect((store) => store.operations.find(prepared.operation));
  expect(stored).not.toHaveProperty('secret');
});

test('what was prepared and never submitted cannot be submitted after its time', async () => {
  const prepared = await prepareOperation(cloud);
  offsetMs += 301_000;
  expect(await submitOperation(cloud, prepared)).toMatchObject({
    status: 409,
    body: { code: 'EXPIRED' },
  });
});

test('when the time is over and an agent never answered, nobody knows, until it does', async () => {
  agent.onCommand = async (command) => {
    agent.journal.set(command.claims.cmd, await agent.outcome(command, 'APPLIED'));
    await agent.cut();
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await passTime(301_000);
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({
      status: 'unknown',
      code: 'INDETERMINATE',
      final: false,
    });
  });
  await eventually(() => agent.connect());
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({
      status: 'applied',
      final: true,
      agent: agent.id,
    });
  });
});

test('an agent that never began it says so, and nothing is claimed to be unknown any more', async () => {
  agent.onCommand = async () => {
    if (agent.commands.length > 1) return 'EXPIRED';
    await agent.cut();
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await passTime(301_000);
  await eventually(() => agent.connect());
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({ status: 'refused', code: 'EXPIRED' });
  });
});

test('the last refusal is the result when the time is over', async () => {
  agent.onCommand = () => 'PAUSED';
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1);
  await passTime(301_000);
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({
      status: 'refused',
      code: 'PAUSED',
      final: true,
    });
  });
});

test('another agent gets an unanswered operation only 15 s after the session was lost', async () => {
  const other = await ScriptedAgent.create(cloud);
  await other.join();
  const silent = (self: ScriptedAgent) => async (): Promise<undefined> => {
    await self.cut();
    return undefined;
  };
  agent.onCommand = silent(agent);
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await other.connect();
  await passTime(14_000);
  expect(other.commands).toHaveLength(0);
  await passTime(2_000);
  await eventually(() => other.commands.length === 1);
  expect(other.commands[0]?.claims.attempts).toMatchObject([{ agent: agent.id }]);
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({ status: 'applied', agent: other.id });
  });
  await other[Symbol.asyncDispose]();
});

test('while an agent that was lost may have written, no other agent gets the next operation on the account', async () => {
  await using other = await ScriptedAgent.create(cloud);
  await other.join();
  const answer = agent.onCommand;
  agent.onCommand = async () => {
    await agent.cut();
    return undefined;
  };
  const [first, second] = [await prepareOperation(cloud), await prepareOperation(cloud)];
  await submitOperation(cloud, first, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await other.connect();
  expect((await submitOperation(cloud, second, { waitS: 1 })).status).toBe(202);
  expect(other.commands).toEqual([]);

  agent.onCommand = answer;
  await agent.connect();
  await eventually(async () => {
    expect(await statusOf(first)).toMatchObject({ status: 'applied', agent: agent.id });
    expect(await statusOf(second)).toMatchObject({ status: 'applied' });
  });
});

test('an admin closes an operation whose outcome nobody will ever say', async () => {
  agent.onCommand = async () => {
    await agent.cut();
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  const close = (key = cloud.adminKey) =>
    cloud.call('POST', `operations/${prepared.operation}/close`, { key });
  expect(await close()).toMatchObject({ status: 409, body: { code: 'OPERATION_CONFLICT' } });
  await passTime(301_000);
  await eventually(async () => {
    expect(await statusOf(prepared)).toMatchObject({ status: 'unknown', final: false });
  });
  expect((await close(cloud.keys.reset)).status).toBe(403);
  for (let times = 0; times < 2; times++) {
    expect(await close()).toMatchObject({ status: 200, body: { status: 'unknown', final: true } });
  }
  const stored = await cloud.inspect((store) => store.operations.find(prepared.operation));
  expect(stored).not.toHaveProperty('secret');
  // Nobody is asked any more.
  await agent.connect();
  await passTime(10_000);
  expect(agent.commands).toHaveLength(1);
  const { body } = await cloud.call('GET', 'audit');
  const actions = (body as { entries: { action: string }[] }).entries.map(({ action }) => action);
  expect(actions.filter((action) => action === 'operation.closed')).toHaveLength(1);
});

test('an outcome that was lost on the way is asked for within a minute, as long as it is missing', async () => {
  const lost = await loseOutcome(cloud, agent);
  offsetMs += 31_000;
  agent.offsetMs = offsetMs;
  sweepNow();
  await eventually(() => agent.renewals.length === 1);
  expect(agent.renewals).toMatchObject([{ trail: { epoch: agent.epoch, seq: 0 } }]);
  await agent.reportOutcomes([lost]);
  sweepNow();
  const sweeps = sweepNow;
  await eventually(() => sweepNow !== sweeps);
  expect(agent.renewals).toHaveLength(1);
});

test('an outcome that is missing for ten minutes is an alarm, though the agent says no more', async () => {
  await loseOutcome(cloud, agent);
  offsetMs += 11 * 60_000;
  sweepNow();
  await eventually(() => cloud.log.of('cloud.agent_alarm').length === 1);
  expect(cloud.log.of('cloud.agent_alarm')).toMatchObject([{ fields: { alarm: 'OUTCOME_GAP' } }]);
  const trail = await cloud.inspect((store) => store.agents.trail(agent.id));
  expect(trail).toMatchObject({ seq: 2, ahead: [] });
});

test('a dispatch after an unanswered one says what operations since the baseline have left in pwdLastSet', async () => {
  const [first, second] = [await prepareOperation(cloud), await prepareOperation(cloud)];
  const effect = {
    passwordSet: true,
    unlocked: false,
    mustChange: 'not-asked',
    mustChangeForcedByDirectory: false,
    pwdLastSet: '134398711180942548',
    historyEnforced: false,
  } as const;
  const outcome = { status: 'applied', code: 'APPLIED', message: 'done', tookMs: 1 } as const;
  agent.bendOutcomeClaims = { outcome: { ...outcome, effect } };
  expect((await submitOperation(cloud, first)).body.status).toBe('applied');

  agent.bendOutcomeClaims = {};
  agent.onCommand = () => {
    if (agent.commands.length > 2) return 'SUPERSEDED';
    void agent.cut().then(() => eventually(() => agent.connect()));
    return undefined;
  };
  expect((await submitOperation(cloud, second)).body.code).toBe('SUPERSEDED');
  const known = agent.commands.map(
    ({ claims }) => 'knownPwdLastSet' in claims && claims.knownPwdLastSet,
  );
  expect(known).toEqual([false, false, [effect.pwdLastSet]]);
});
