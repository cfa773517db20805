import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../src/cloud/cli/program.ts';
import { signToken } from '../../src/protocol/tokens.ts';
import { prepareOperation, submitOperation } from '../support/cloud-operation.ts';
import { eventually } from '../support/eventually.ts';
import { createToken, ScriptedAgent } from '../support/scripted-agent.ts';
import { startTestCloud, type TestCloud } from '../support/start-cloud.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

let cloud: TestCloud;
let agent: ScriptedAgent;

beforeEach(async () => {
  cloud = await startTestCloud();
  agent = await ScriptedAgent.create(cloud);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

test('a sealing key from the far future is refused, at enrolment and in a hello', async () => {
  const sealingKey = await agent.sealingStatement(undefined, Number.MAX_SAFE_INTEGER);
  const posted = await agent.postEnrollment(await createToken(cloud), { claims: { sealingKey } });
  expect(posted).toMatchObject({ status: 403, body: { code: 'ENROLLMENT_REFUSED' } });
  await agent.enroll();
  await expect(agent.connect({ sealingKey })).rejects.toMatchObject({
    code: 'SEALING_KEY_REFUSED',
  });
  expect(await cloud.call('GET', 'agents')).toMatchObject({ status: 200 });
});

test('status reports without end cost the session, not the service', async () => {
  await agent.enroll();
  const { peer, closed } = await agent.connect();
  const iat = Math.floor(Date.now() / 1000);
  const claims = { iss: agent.id, aud: agent.issuer, iat, monotonicMs: 0, report: agent.report() };
  const status = await signToken('status', claims, agent.device);
  for (let i = 0; i < 5_000; i++) peer.notify('agent.status', { status });
  expect(await closed).toBe(4004);
  expect(cloud.log.of('cloud.link_refused')).toHaveLength(1);
});

test('an answer that another dispatch was turned away with counts for nothing', async () => {
  await agent.join();
  const answers: string[] = [];
  agent.onCommand = () => (answers.length === 0 ? 'PAUSED' : 'APPLIED');
  agent.bendOutcome = (outcome) => {
    answers.push(outcome);
    // Who holds the socket gives the first refusal as the answer to the second dispatch.
    return answers.length === 2 ? (answers[0] ?? '') : outcome;
  };
  await agent.connect();
  const prepared = await prepareOperation(cloud);
  const { body } = await submitOperation(cloud, prepared, { waitS: 3 });
  expect(body).toMatchObject({ status: 'pending' });
  expect(agent.commands).toHaveLength(2);
  await eventually(() => {
    const alarms = cloud.log.of('cloud.agent_alarm').map(({ fields }) => fields.alarm);
    expect(alarms).toEqual(['OUTCOME_NOT_AUTHENTIC']);
  });
});

test('a final refusal of a dispatch whose answer was lost is no answer to the next one', async () => {
  await agent.join();
  agent.bendOutcomeClaims = { ends: 'dispatch' };
  let refusal = '';
  agent.onCommand = async (command) => {
    if (agent.commands.length > 1) return 'APPLIED'; // the guard allows it by now
    refusal = await agent.outcome(command, 'OUT_OF_SCOPE');
    await agent.cut();
    return undefined;
  };
  agent.bendOutcome = () => refusal;
  await agent.connect();
  const prepared = await prepareOperation(cloud);
  await submitOperation(cloud, prepared, { waitS: 0 });
  await eventually(() => agent.commands.length === 1 && agent.connection === undefined);
  const { closed } = await agent.connect();
  expect(await closed).toBe(4004);
  const { body } = await cloud.call('GET', `operations/${prepared.operation}`);
  expect(body).toMatchObject({ status: 'pending' });
  expect(agent.commands).toHaveLength(2);
});

test('what an agent calls itself cannot hide the fingerprint that a person compares', async () => {
  const bend = { version: `0.1.0 ${'F'.repeat(43)}\u001b[8m`, name: 'db\u009b2K\u202e' };
  await agent.postEnrollment(await createToken(cloud), { claims: bend });
  await using folder = await temporaryFolder();
  const [keyFile, ca] = [join(folder.path, 'key'), join(folder.path, 'ca.pem')];
  await writeFile(keyFile, cloud.adminKey);
  await writeFile(ca, cloud.tls.ca);
  const to = ['--url', cloud.address, '--key-file', keyFile, '--ca', ca, '--directory', 'corp'];
  const out: string[] = [];
  for (const command of [['agent', 'list'], ['status'], ['audit']]) {
    await runProgram([...command, ...to], {
      env: {},
      isInteractive: false,
      print: (text) => out.push(text),
      complain: (text) => out.push(text),
      readInput: () => Promise.resolve(''),
      askHidden: () => Promise.reject(new Error('not interactive')),
      setExitCode: () => undefined,
      stopSignals: () => ({ drain: AbortSignal.abort(), abort: AbortSignal.abort() }),
    });
  }
  expect(out.join('\n')).toContain(agent.device.kid);
  expect(out.join('\n')).not.toMatch(/[^\P{C}\n]/u);
});

test('an agent whose clock was ahead when it made its sealing key is not locked out by that', async () => {
  const ahead = Math.floor(Date.now() / 1000) + 20;
  const sealingKey = await agent.sealingStatement(undefined, ahead);
  const posted = await agent.postEnrollment(await createToken(cloud), { claims: { sealingKey } });
  expect(posted.status).toBe(200);
});
