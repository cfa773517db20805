import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { Refusal } from '../../../../src/agent/commands/outcomes.ts';
import {
  MisplacedCommand,
  verifyCommand,
  verifyInspect,
  type Verifier,
} from '../../../../src/agent/commands/verify.ts';
import {
  CLOCK_TOLERANCE_S,
  OPERATION_LIFETIME_MS,
  TOKEN_LIFETIME_S,
  type CommandClaims,
  type InspectClaims,
} from '../../../../src/protocol/command.ts';
import { timestamp } from '../../../../src/protocol/shapes.ts';
import { signToken, typOf } from '../../../../src/protocol/tokens.ts';
import { makeKeyPair, type KeyPair } from '../../../support/command-rig.ts';

const NOW = Date.UTC(2030, 0, 1);
const IAT = NOW / 1000;
const AGENT = randomUUID();
const SESSION = randomUUID();
/** Never by chance: what tells one break from another is the name of its test. */
const ELSEWHERE = '00000000-0000-4000-8000-00000000e15e';
const FROM_THE_FUTURE = { iat: IAT + 45, exp: IAT + 45 + TOKEN_LIFETIME_S };

let service: KeyPair;
let stranger: KeyPair;
let verifier: Verifier;

beforeAll(async () => {
  [service, stranger] = await Promise.all([makeKeyPair('sig'), makeKeyPair('sig')]);
  verifier = {
    agentId: AGENT,
    directory: 'corp',
    issuer: 'https://reset.example',
    commandKeys: createLocalJWKSet({ keys: [service.jwk] }),
    now: () => NOW,
  };
});

const ENVELOPE = {
  iss: 'https://reset.example',
  aud: 'corp',
  agent: AGENT,
  jti: randomUUID(),
  sid: SESSION,
  iat: IAT,
  exp: IAT + TOKEN_LIFETIME_S,
  by: 'admin',
  actor: 'key:1',
  op: 'unlock',
  account: { objectGuid: randomUUID() },
} as const;

const QUESTION: InspectClaims = ENVELOPE;

const COMMAND: CommandClaims = {
  ...ENVELOPE,
  cmd: randomUUID(),
  signedAt: timestamp(NOW),
  notAfter: timestamp(NOW + OPERATION_LIFETIME_MS),
  startWithinMs: 5000,
  monotonicMs: 0,
  unlock: true,
  mustChange: false,
  attempts: [],
};

type Changes = Partial<
  Pick<InspectClaims & CommandClaims, 'iss' | 'aud' | 'agent' | 'sid' | 'iat' | 'exp' | 'notAfter'>
>;

async function command(claims: Changes = {}, key = service): Promise<CommandClaims> {
  const token = await signToken('command', { ...COMMAND, ...claims }, key);
  return verifyCommand(token, SESSION, verifier);
}

async function question(
  claims: Partial<InspectClaims> = {},
  key = service,
): Promise<InspectClaims> {
  const token = await signToken('inspect', { ...QUESTION, ...claims }, key);
  return verifyInspect(token, SESSION, verifier);
}

const refusalOf = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => 'no refusal',
    (error: unknown) => error,
  );

describe.each([
  ['a command', command],
  ['a question', question],
] as const)('%s', (_what, ask) => {
  test('of the service to this agent in this session is taken, with its claims', async () => {
    expect(await ask()).toMatchObject(ENVELOPE);
  });

  test.each<[string, string, Changes]>([
    ['from another issuer', 'BAD_SIGNATURE', { iss: 'https://else.example' }],
    ['for another directory', 'WRONG_DIRECTORY', { aud: 'else' }],
    ['for another agent', 'WRONG_AGENT', { agent: ELSEWHERE }],
    ['for another session', 'WRONG_AGENT', { sid: ELSEWHERE }],
    ['that is too old', 'EXPIRED', { iat: IAT - 120, exp: IAT - 60 }],
    ['from the future', 'NOT_YET_VALID', FROM_THE_FUTURE],
    ['that lives too long', 'MALFORMED', { exp: IAT + TOKEN_LIFETIME_S + 1 }],
  ])('%s is refused as %s', async (_how, code, claims) => {
    await expect(ask(claims)).rejects.toMatchObject({ name: 'Refusal', code });
  });

  test('under a key that is not pinned is refused', async () => {
    await expect(ask({}, stranger)).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
  });

  test('from the future is refused in words that name both clocks', async () => {
    const refused = (await refusalOf(ask(FROM_THE_FUTURE))) as Refusal;
    expect(refused.details.message).toContain('made at 2030-01-01T00:00:45.000Z');
    expect(refused.details.message).toContain('here it is 2030-01-01T00:00:00.000Z');
  });
});

test('neither a command nor a question passes for the other', async () => {
  const ask = await signToken('inspect', QUESTION, service);
  const order = await signToken('command', COMMAND, service);
  await expect(verifyCommand(ask, SESSION, verifier)).rejects.toBeInstanceOf(Refusal);
  await expect(verifyInspect(order, SESSION, verifier)).rejects.toBeInstanceOf(Refusal);
});

test('text that is no token is malformed, and no bug', async () => {
  await expect(verifyCommand('x', SESSION, verifier)).rejects.toMatchObject({ code: 'MALFORMED' });
});

test('an operation may live as long as the service may give it and the clocks may differ, no longer', async () => {
  const latestMs = NOW + OPERATION_LIFETIME_MS + CLOCK_TOLERANCE_S * 1000;
  const notAfter = timestamp(latestMs);
  expect(await command({ notAfter })).toMatchObject({ notAfter });
  const longer = command({ notAfter: timestamp(latestMs + 1) });
  await expect(longer).rejects.toMatchObject({ code: 'MALFORMED' });
});

describe('a refusal has to be remembered', () => {
  test.each<[string, Changes]>([
    ['in another session', { sid: ELSEWHERE }],
    ['later', FROM_THE_FUTURE],
  ])('of a command that would pass %s', async (_where, claims) => {
    const refused = await refusalOf(command(claims));
    expect(refused).toBeInstanceOf(MisplacedCommand);
    expect(refused).toMatchObject({ claims: { cmd: COMMAND.cmd, ...claims } });
  });
});

describe('nothing has to be remembered', () => {
  test.each<[string, Changes]>([
    ["of another agent's command", { agent: ELSEWHERE }],
    ["of another agent's command that comes too early", { ...FROM_THE_FUTURE, agent: ELSEWHERE }],
    [
      'of a command that comes too early and would live too long',
      { ...FROM_THE_FUTURE, exp: FROM_THE_FUTURE.exp + 1 },
    ],
  ])('%s, which never passes', async (_what, claims) => {
    const refused = await refusalOf(command(claims));
    expect(refused).toBeInstanceOf(Refusal);
    expect(refused).not.toBeInstanceOf(MisplacedCommand);
  });

  test('of what the service signed too early and is no command at all', async () => {
    const token = await new SignJWT({ ...ENVELOPE, ...FROM_THE_FUTURE })
      .setProtectedHeader({ alg: 'ES256', typ: typOf('command'), kid: service.kid })
      .sign(service.key);
    const refused = await refusalOf(verifyCommand(token, SESSION, verifier));
    expect(refused).toMatchObject({ name: 'Refusal', code: 'NOT_YET_VALID' });
    expect(refused).not.toBeInstanceOf(MisplacedCommand);
  });
});
