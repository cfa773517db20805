import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bindingText } from '../../src/protocol/canonical.ts';
import type { OutcomeCode } from '../../src/protocol/codes.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { prepareOperation, sealFor, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { loseOutcome } from '../support/lose-outcome.ts';
import { accountState, ScriptedAgent, type Connection } from '../support/scripted-agent.ts';
import { startTestCloud, TEST_DIRECTORY, type TestCloud } from '../support/start-cloud.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
  await agent.join();
  await agent.connect();
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

test('a reset travels from the API to the agent and its outcome back', async () => {
  const prepared = await prepareOperation(cloud, { options: { mustChange: true } });
  const done = await submitOperation(cloud, prepared);
  expect(done).toMatchObject({
    status: 200,
    body: { status: 'applied', code: 'APPLIED', final: true, agent: agent.id },
    headers: { 'preference-applied': 'wait=20' },
  });
  expect(agent.commands).toMatchObject([
    {
      secret: { password: 'Correct-Horse-1' },
      claims: {
        op: 'reset',
        cmd: prepared.operation,
        by: 'admin',
        actor: 'admin',
        unlock: true,
        mustChange: true,
        attempts: [],
        notAfter: prepared.notAfter,
        baseline: prepared.baseline,
      },
    },
  ]);
  expect(decodeJwt(done.body.signedOutcome ?? '')).toMatchObject({ cmd: prepared.operation });
});

test('a command says how far the clock of the agent is, as the agent last stated it', async () => {
  const hour = 3_600_000;
  const monotonicMs = async (): Promise<number> => {
    await submitOperation(cloud, await prepareOperation(cloud));
    return (agent.commands.at(-1)?.claims.monotonicMs ?? 0) / hour;
  };
  await agent.cut();
  const { peer } = await agent.connect({ monotonicMs: hour });
  expect(await monotonicMs()).toBeCloseTo(1, 1);
  peer.notify('agent.status', { status: await agent.status({ monotonicMs: 2 * hour }) });
  await eventually(async () => {
    expect(await monotonicMs()).toBeCloseTo(2, 1);
  });
});

test('what an agent stated before it was started anew does not move its clock', async () => {
  const hour = 3_600_000;
  const stale = await agent.status({ monotonicMs: hour });
  await agent.cut();
  const { peer } = await agent.connect();
  peer.notify('agent.status', { status: stale });
  await submitOperation(cloud, await prepareOperation(cloud));
  expect(agent.commands.at(-1)?.claims.monotonicMs).toBeLessThan(hour);
});

test('prepare answers what to seal to, bound to this operation', async () => {
  const prepared = await prepareOperation(cloud);
  const { operation, op, objectGuid, options, baseline, notAfter } = prepared;
  expect(prepared.recipients).toMatchObject([
    { agent: agent.id, fingerprint: agent.device.kid, key: agent.sealing.jwk },
  ]);
  expect(prepared.aad).toBe(
    bindingText({
      directory: TEST_DIRECTORY,
      cmd: operation,
      op,
      account: { objectGuid },
      options,
      baseline,
      notAfter,
    }),
  );
  const left = Date.parse(notAfter) - Date.now();
  expect(left).toBeGreaterThan(290_000);
  expect(left).toBeLessThanOrEqual(300_000);
});

test('an unlock has no secret, a change has both passwords', async () => {
  const unlock = await prepareOperation(cloud, { op: 'unlock' });
  expect((await submitOperation(cloud, unlock)).body).toMatchObject({ status: 'applied' });
  const change = await prepareOperation(cloud, { op: 'change' });
  const secret = await sealFor(change, { password: 'new', oldPassword: 'old' });
  expect((await submitOperation(cloud, change, { secret })).body.status).toBe('applied');
  expect(agent.commands[1]?.secret).toEqual({ password: 'new', oldPassword: 'old' });
});

test('the same bytes again are harmless, other bytes are a conflict', async () => {
  const prepared = await prepareOperation(cloud);
  const secret = await sealFor(prepared);
  const first = await submitOperation(cloud, prepared, { secret });
  const second = await submitOperation(cloud, prepared, { secret });
  expect(second).toMatchObject({ status: 200, body: first.body });
  expect(agent.commands).toHaveLength(1);
  expect(await submitOperation(cloud, prepared)).toMatchObject({
    status: 409,
    body: { code: 'OPERATION_CONFLICT' },
  });
});

test('the same bytes at the same time are one operation', async () => {
  const prepared = await prepareOperation(cloud);
  const secret = await sealFor(prepared);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => submitOperation(cloud, prepared, { secret })),
  );
  for (const { status, body } of answers) {
    expect(status).toBe(200);
    expect(body.status).toBe('applied');
  }
  expect(agent.commands).toHaveLength(1);
});

test("another key's operation does not exist", async () => {
  const prepared = await prepareOperation(cloud);
  const key = cloud.keys.reset;
  expect(await submitOperation(cloud, prepared, { key })).toMatchObject({ status: 404 });
  const read = await cloud.call('GET', `operations/${prepared.operation}`, { key });
  expect(read).toMatchObject({ status: 404, body: { code: 'UNKNOWN_OPERATION' } });
});

test('a secret that is bound to something else is refused before it is kept', async () => {
  const [one, two] = [await prepareOperation(cloud), await prepareOperation(cloud)];
  const moved = await submitOperation(cloud, one, { secret: await sealFor(two) });
  expect(moved).toMatchObject({ status: 422, body: { code: 'WRONG_BINDING' } });
});

test('a secret for a recipient whom prepare did not name is refused', async () => {
  const prepared = await prepareOperation(cloud);
  const stranger = await ScriptedAgent.create(cloud);
  const recipients = [...prepared.recipients, { agent: '', fingerprint: '', statement: '' }].map(
    (recipient) => ({ key: stranger.sealing.jwk, ...recipient }),
  );
  const secret = await sealFor({ ...prepared, recipients });
  expect(await submitOperation(cloud, prepared, { secret })).toMatchObject({
    status: 422,
    body: { code: 'WRONG_RECIPIENT' },
  });
});

test('a reset without a secret and an unlock with one are refused', async () => {
  const reset = await prepareOperation(cloud);
  const bare = await cloud.call('PUT', `operations/${reset.operation}`, { body: {} });
  expect(bare).toMatchObject({ status: 422, body: { code: 'SECRET_MISSING' } });
  const unlock = await prepareOperation(cloud, { op: 'unlock' });
  const secret = await sealFor({ ...unlock, op: 'reset' });
  const laden = await submitOperation(cloud, unlock, { secret });
  expect(laden).toMatchObject({ status: 422, body: { code: 'SECRET_UNEXPECTED' } });
});

test('without waiting the answer is 202 and where to ask', async () => {
  let answer: () => void = () => undefined;
  agent.onCommand = () =>
    new Promise((resolve) => {
      answer = () => {
        resolve('APPLIED');
      };
    });
  const prepared = await prepareOperation(cloud);
  const accepted = await submitOperation(cloud, prepared, { waitS: 0 });
  const location = `/v1/directories/${TEST_DIRECTORY}/operations/${prepared.operation}`;
  expect(accepted).toMatchObject({
    status: 202,
    body: { status: 'pending' },
    headers: { location },
  });
  await eventually(() => agent.commands.length === 1);
  const command = agent.commands[0];
  if (command !== undefined) agent.began(command);
  answer();
  const headers = { prefer: 'wait=10' };
  const read = await cloud.call('GET', location, { headers });
  expect(read).toMatchObject({ status: 200, body: { status: 'applied' } });
});

test.each(['PAUSED', 'DRAINING', 'BUSY', 'DIRECTORY_UNREACHABLE'] as const)(
  '%s keeps the operation pending: the same cmd is handed over again with a new jti',
  async (code) => {
    agent.onCommand = () => (agent.commands.length === 1 ? code : 'APPLIED');
    const prepared = await prepareOperation(cloud);
    const done = await submitOperation(cloud, prepared);
    expect(done.body.status).toBe('applied');
    const [first, second] = agent.commands;
    expect(second?.claims.cmd).toBe(first?.claims.cmd);
    expect(second?.claims.jti).not.toBe(first?.claims.jti);
    // The first dispatch said that it did not start: it is no attempt.
    expect(second?.claims.attempts).toEqual([]);
  },
);

test.each(['PASSWORD_POLICY', 'SUPERSEDED', 'ACCESS_DENIED', 'INDETERMINATE'] as const)(
  '%s is final at once',
  async (code) => {
    agent.onCommand = () => code;
    const prepared = await prepareOperation(cloud);
    expect((await submitOperation(cloud, prepared)).body).toMatchObject({ code, final: true });
    expect(agent.commands).toHaveLength(1);
  },
);

test('a dispatch whose connection was lost is handed over again to the same agent, as an attempt', async () => {
  agent.onCommand = async (command) => {
    if (agent.commands.length > 1) return 'APPLIED';
    agent.began(command, 'dc7.corp.example');
    await agent.cut();
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  const submitted = submitOperation(cloud, prepared);
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await agent.connect();
  expect((await submitted).body.status).toBe('applied');
  const [first, second] = agent.commands;
  expect(second?.claims.cmd).toBe(first?.claims.cmd);
  expect(second?.claims.sid).not.toBe(first?.claims.sid);
  expect(second?.claims.attempts).toMatchObject([{ agent: agent.id }]);
});

test('an outcome that was lost on the way is answered from the journal, under the first token', async () => {
  agent.onCommand = async (command) => {
    agent.journal.set(command.claims.cmd, await agent.outcome(command, 'APPLIED'));
    await agent.cut();
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  const submitted = submitOperation(cloud, prepared);
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  await agent.connect();
  expect((await submitted).body).toMatchObject({ status: 'applied', final: true });
  expect(agent.commands).toHaveLength(2);
});

test('a command that is neither begun nor answered costs the session', async () => {
  agent.onCommand = () => undefined;
  const { closed } = agent.connection ?? (await agent.connect());
  const prepared = await prepareOperation(cloud);
  const startedAt = performance.now();
  const submitted = submitOperation(cloud, prepared);
  expect(await closed).toBe(4006);
  expect(performance.now() - startedAt).toBeGreaterThan(2_900);
  agent.onCommand = () => 'APPLIED';
  await agent.connect();
  expect((await submitted).body.status).toBe('applied');
});

test('a command that was begun may take its time', async () => {
  agent.onCommand = (command) => {
    agent.began(command);
    return new Promise((resolve) => {
      setTimeout(() => {
        resolve('APPLIED');
      }, 3_500);
    });
  };
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
  expect(agent.commands).toHaveLength(1);
});

test('an outcome that the agent did not sign counts for nothing, and is an alarm', async () => {
  const forger = await ScriptedAgent.create(cloud);
  let forged = '';
  agent.onCommand = async (command): Promise<'APPLIED'> => {
    Object.assign(forger, { id: agent.id, directory: agent.directory });
    forged = await forger.outcome(command, 'APPLIED');
    return 'APPLIED';
  };
  agent.bendOutcome = () => forged;
  const { closed } = agent.connection ?? (await agent.connect());
  const prepared = await prepareOperation(cloud);
  const submitted = await submitOperation(cloud, prepared, { waitS: 1 });
  expect(submitted).toMatchObject({ status: 202, body: { status: 'pending' } });
  expect(await closed).toBe(4004);
  expect(cloud.log.of('cloud.agent_alarm')).toMatchObject([
    { fields: { alarm: 'OUTCOME_NOT_AUTHENTIC' } },
  ]);
});

test.each([
  ['digest', 'A'.repeat(43)],
  ['cmd', '00000000-0000-4000-8000-000000000000'],
  ['op', 'unlock'],
  ['token', 'A'.repeat(43)],
  ['aud', 'other'],
  ['iss', '00000000-0000-4000-8000-000000000000'],
])('an outcome with another %s counts for nothing', async (claim, value) => {
  agent.bendOutcomeClaims = { [claim]: value };
  const { closed } = agent.connection ?? (await agent.connect());
  const prepared = await prepareOperation(cloud);
  expect((await submitOperation(cloud, prepared, { waitS: 1 })).body.status).toBe('pending');
  expect(await closed).toBe(4004);
});

test('an outcome of another operation counts for nothing', async () => {
  const outcomes: string[] = [];
  agent.bendOutcome = (outcome) => {
    outcomes.push(outcome);
    return outcomes[0] ?? outcome;
  };
  const one = await prepareOperation(cloud);
  expect((await submitOperation(cloud, one)).body.status).toBe('applied');
  const { closed } = agent.connection ?? (await agent.connect());
  const two = await prepareOperation(cloud);
  expect((await submitOperation(cloud, two, { waitS: 2 })).body.status).toBe('pending');
  expect(await closed).toBe(4004);
});

test('the sealed secret is kept wrapped, and gone as soon as the outcome is known', async () => {
  let release: () => void = () => undefined;
  agent.onCommand = (command) => {
    agent.began(command);
    return new Promise((resolve) => {
      release = () => {
        resolve('APPLIED');
      };
    });
  };
  const prepared = await prepareOperation(cloud);
  const secret = await sealFor(prepared);
  const submitted = submitOperation(cloud, prepared, { secret });
  await eventually(() => agent.commands.length === 1);
  const during = await cloud.inspect((store) => store.operations.find(prepared.operation));
  expect(during?.secret).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
  expect(during?.secret).not.toContain(secret.ciphertext);
  release();
  expect((await submitted).body.status).toBe('applied');
  const after = await cloud.inspect((store) => store.operations.find(prepared.operation));
  expect(after).not.toHaveProperty('secret');
  await cloud.stop();
  const database = await readFile(cloud.folder.database, 'latin1');
  for (const trace of [secret.ciphertext, 'Correct-Horse-1', during?.secret ?? '-']) {
    expect(database).not.toContain(trace);
  }
  expect(cloud.log.text()).not.toContain(secret.ciphertext);
});

test('after a restart in the middle the operation goes on', async () => {
  agent.onCommand = (command) => {
    if (agent.commands.length > 1) return 'APPLIED';
    agent.began(command);
    return undefined;
  };
  const prepared = await prepareOperation(cloud);
  const accepted = await submitOperation(cloud, prepared, { waitS: 0 });
  expect(accepted.status).toBe(202);
  await eventually(() => agent.commands.length === 1);
  await cloud.restart();
  await agent.connect();
  const done = await cloud.call('GET', `operations/${prepared.operation}`, {
    headers: { prefer: 'wait=10' },
  });
  expect(done).toMatchObject({ status: 200, body: { status: 'applied', final: true } });
  expect(agent.commands).toHaveLength(2);
});

test('a sealing key that was rotated is what the next operation is sealed to', async () => {
  const before = agent.sealing.kid;
  await agent.rotateSealing();
  const prepared = await prepareOperation(cloud);
  expect(prepared.recipients[0]?.key.kid).toBe(agent.sealing.kid);
  expect(agent.sealing.kid).not.toBe(before);
  expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
});

test('a gap or a fork in the chain of outcomes is an alarm in the audit', async () => {
  agent.onCommand = () => {
    if (agent.commands.length === 2) agent.head = 'A'.repeat(43);
    return 'APPLIED';
  };
  for (let n = 0; n < 2; n += 1) {
    const prepared = await prepareOperation(cloud);
    expect((await submitOperation(cloud, prepared)).body.status).toBe('applied');
  }
  const audit = await cloud.call('GET', 'audit');
  expect(JSON.stringify(audit.body)).toContain('OUTCOME_CHAIN_BROKEN');
});

describe('the trail of an agent', () => {
  const reported = async (): Promise<unknown[]> => {
    const { entries } = await cloud.inspect((store) => store.audit.page(agent.directory, 100));
    return entries.filter(({ action }) => action === 'outcome.reported');
  };

  async function reconnect(): Promise<Connection> {
    await agent.cut();
    return eventually(() => agent.connect());
  }

  const trail = () => cloud.inspect((store) => store.agents.trail(agent.id));

  test('is completed by a report of what was lost, once, and the audit has it', async () => {
    const lost = await loseOutcome(cloud, agent);
    expect(await trail()).toMatchObject({ seq: 0, ahead: [{ seq: 2 }] });
    const { welcome } = await reconnect();
    expect(welcome.trail).toEqual({ epoch: agent.epoch, seq: 0 });
    await agent.reportOutcomes([lost]);
    await agent.reportOutcomes([lost]);
    expect(await trail()).toMatchObject({ seq: 2, ahead: [] });
    expect(await reported()).toMatchObject([
      { actor: agent.id, detail: { code: 'BUSY' }, signed: lost },
    ]);
    expect((await reconnect()).welcome.trail?.seq).toBe(2);
    expect(cloud.log.of('cloud.agent_alarm')).toEqual([]);
  });

  test('goes on when an outcome overtakes the hello of a renewal', async () => {
    const honest = agent.hello.bind(agent);
    agent.hello = async (bend) => {
      const signed = await honest(bend);
      await submitOperation(cloud, await prepareOperation(cloud));
      return signed;
    };
    await using other = await ScriptedAgent.create(cloud);
    await other.join(); // of which the agent is told with a renewal
    await eventually(() => cloud.log.of('cloud.link_renewed').length === 1);
    expect(await trail()).toMatchObject({ seq: 1, seen: 1, ahead: [] });
    expect(cloud.log.of('cloud.agent_alarm')).toEqual([]);
  });

  test('is not for an agent that nobody has approved', async () => {
    await submitOperation(cloud, await prepareOperation(cloud));
    const [command] = agent.commands;
    if (command === undefined) throw new Error('no command came');
    await using pending = await ScriptedAgent.create(cloud);
    await pending.enroll();
    await pending.connect();
    const made = await pending.outcome(command, 'APPLIED');
    await expect(pending.reportOutcomes([made])).rejects.toMatchObject({ code: 'NOT_NOW' });
    expect(await reported()).toEqual([]);
  });

  test('is extended by what nobody ordered, and the audit keeps none of it', async () => {
    await submitOperation(cloud, await prepareOperation(cloud));
    const [command] = agent.commands;
    if (command === undefined) throw new Error('no command came');
    const token = `x${command.token}`;
    await agent.reportOutcomes([await agent.outcome({ ...command, token }, 'APPLIED')]);
    expect(await trail()).toMatchObject({ seq: 2, ahead: [] });
    expect(await reported()).toEqual([]);
  });

  test('takes nothing that the agent has not signed', async () => {
    const lost = await loseOutcome(cloud, agent);
    const forger = await ScriptedAgent.create(cloud);
    Object.assign(forger, { id: agent.id, directory: agent.directory });
    const [command] = agent.commands;
    if (command === undefined) throw new Error('no command came');
    const { closed } = await reconnect();
    await expect(
      agent.reportOutcomes([lost, await forger.outcome(command, 'APPLIED')]),
    ).rejects.toMatchObject({
      code: 'BAD_SIGNATURE',
    });
    expect(await closed).toBe(4004);
    expect(await reported()).toEqual([]);
    expect(cloud.log.of('cloud.agent_alarm')).toMatchObject([
      { fields: { alarm: 'STATEMENT_BAD_SIGNATURE' } },
    ]);
  });
});

test('with two agents, one that drains hands over to the other at once', async () => {
  // No time passes: whatever paused before it asked the other one would pause for ever.
  const clock = new FakeClock(Date.now(), { autoAdvance: false });
  await using still = await startTestCloud({ clock });
  await using draining = await ScriptedAgent.create(still);
  await using other = await ScriptedAgent.create(still);
  for (const each of [draining, other]) {
    await each.join();
    await each.connect();
  }
  draining.onCommand = () => 'DRAINING';
  for (let handedOver = 0; handedOver < 4;) {
    draining.account = other.account = accountState(randomUUID());
    const { operation } = await submitOperation(still, await prepareOperation(still), {
      waitS: 0,
    }).then(({ body }) => body);
    await eventually(async () => {
      const { body } = await still.call('GET', `operations/${operation}`);
      expect(body).toMatchObject({ status: 'applied', agent: other.id });
    });
    handedOver = draining.commands.length; // the other accounts are the other agent's
  }
});

test('an agent without a signature of its own cannot answer for another one', async () => {
  const other = await ScriptedAgent.create(cloud);
  await other.join();
  agent.onInspect = () => undefined;
  agent.bendInspection = async (claims) =>
    signToken('inspection', { ...claims, iss: other.id }, other.device);
  const answer = await cloud.call('POST', 'prepare', {
    body: { account: { name: 'ada' }, op: 'reset' },
  });
  expect(answer).toMatchObject({ status: 502, body: { code: 'AGENT_MISBEHAVED' } });
});

test('two operations on one account are handed over one after the other', async () => {
  let running = 0;
  let most = 0;
  agent.onCommand = async (command): Promise<OutcomeCode> => {
    agent.began(command);
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 200));
    running -= 1;
    return 'APPLIED';
  };
  const prepared = await Promise.all(Array.from({ length: 4 }, () => prepareOperation(cloud)));
  const answers = await Promise.all(prepared.map((each) => submitOperation(cloud, each)));
  expect(answers.map(({ body }) => body.status)).toEqual(Array(4).fill('applied'));
  expect(most).toBe(1);
});

test('operations on many accounts run side by side', async () => {
  agent.onCommand = async (command): Promise<OutcomeCode> => {
    agent.began(command);
    await new Promise((resolve) => setTimeout(resolve, 500));
    return 'APPLIED';
  };
  const prepared = [];
  for (let n = 0; n < 6; n += 1) {
    agent.account = accountState(randomUUID());
    prepared.push(await prepareOperation(cloud));
  }
  const startedAt = performance.now();
  const answers = await Promise.all(prepared.map((each) => submitOperation(cloud, each)));
  expect(answers.map(({ body }) => body.status)).toEqual(Array(6).fill('applied'));
  expect(performance.now() - startedAt).toBeLessThan(2_500);
});

test('a service that stops lets the command under way end and answers its caller', async () => {
  agent.onCommand = async (command): Promise<OutcomeCode> => {
    agent.began(command);
    await new Promise((resolve) => setTimeout(resolve, 500));
    return 'APPLIED';
  };
  const prepared = await prepareOperation(cloud);
  const submitted = submitOperation(cloud, prepared);
  await eventually(() => agent.commands.length === 1);
  const stopped = cloud.stop();
  expect(await submitted).toMatchObject({ status: 200, body: { status: 'applied' } });
  await stopped;
});

test('a service that stops answers those who still wait with 202', async () => {
  const prepared = await prepareOperation(cloud);
  await agent.cut();
  const submitted = submitOperation(cloud, prepared);
  await eventually(async () => {
    const found = await cloud.inspect((store) => store.operations.find(prepared.operation));
    expect(found?.state).toBe('pending');
  });
  await cloud.stop();
  expect(await submitted).toMatchObject({ status: 202, body: { status: 'pending' } });
});
