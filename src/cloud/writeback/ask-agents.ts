import { randomUUID } from 'node:crypto';
import type { AccountState } from '../../protocol/account.ts';
import { factsOf, type By, type Operation } from '../../protocol/codes.ts';
import { TOKEN_LIFETIME_S, type InspectClaims } from '../../protocol/command.ts';
import type { InspectionClaims } from '../../protocol/outcome.ts';
import { RpcError, UnansweredError } from '../../protocol/rpc.ts';
import { signToken, TokenError, verifyToken } from '../../protocol/tokens.ts';
import { withDeadline } from '../../support/with-deadline.ts';
import type { AgentRecord } from '../store/records.ts';
import type { AgentSession } from './agent-session.ts';
import { raiseAlarm } from './alarm.ts';
import { nowSeconds, type Core } from './core.ts';
import { noAgent } from './no-agent.ts';
import { inOrder } from './routing.ts';
import { isOutcomeCode, ServiceError } from './service-error.ts';

const ANSWER_WITHIN_MS = 12_000;

export interface Question {
  readonly directory: string;
  readonly op: Operation;
  readonly by: By;
  readonly actor: string;
  readonly account: InspectClaims['account'];
}

/**
 * What an agent says about an account: its state when the operation would be allowed. Asks one
 * agent after the other while they cannot tell. Rejects with `ServiceError`: the refusal.
 */
export async function askAgents(
  core: Core,
  question: Question,
  signal: AbortSignal,
): Promise<AccountState> {
  const agents = await core.store.agents.list(question.directory);
  const { account } = question;
  const key = 'name' in account ? account.name.toLowerCase() : account.objectGuid;
  let failure = noAgent(agents);
  for (const session of inOrder(key, core.sessions.approved(question.directory))) {
    const agent = agents.find(({ id }) => id === session.agentId);
    if (agent === undefined) continue;
    const answer = await ask(core, question, { session, agent }, signal);
    if (!(answer instanceof ServiceError)) return answer;
    if (!isWorthAskingAnother(answer)) throw answer;
    failure = answer;
  }
  throw failure;
}

interface Asked {
  readonly session: AgentSession;
  readonly agent: AgentRecord;
}

async function ask(
  core: Core,
  question: Question,
  asked: Asked,
  signal: AbortSignal,
): Promise<AccountState | ServiceError> {
  const { session, agent } = asked;
  const claims = claimsOf(core, question, session);
  const request = await signToken('inspect', claims, core.keys.signing);
  let inspection: string;
  try {
    inspection = await withDeadline(ANSWER_WITHIN_MS, signal, (within) =>
      session.inspect(request, within),
    );
  } catch (error) {
    if (error instanceof UnansweredError || error instanceof RpcError) return noAnswer();
    throw error;
  }
  const verified = await verifyInspection(core, inspection, agent);
  if (verified?.jti !== claims.jti) {
    await raiseAlarm(core, agent, 'INSPECTION_NOT_AUTHENTIC');
    return new ServiceError('AGENT_MISBEHAVED', {
      detail: 'an agent gave an answer that it did not sign for this question',
    });
  }
  return toAnswer(verified);
}

function claimsOf(core: Core, question: Question, session: AgentSession): InspectClaims {
  const iat = nowSeconds(core.clock);
  return {
    iss: core.issuer,
    aud: question.directory,
    agent: session.agentId,
    jti: randomUUID(),
    sid: session.id,
    iat,
    exp: iat + TOKEN_LIFETIME_S,
    by: question.by,
    actor: question.actor,
    op: question.op,
    account: question.account,
  };
}

async function verifyInspection(
  core: Core,
  inspection: string,
  agent: AgentRecord,
): Promise<InspectionClaims | undefined> {
  try {
    return await verifyToken('inspection', inspection, {
      key: await core.deviceKeys.get(agent.deviceKey),
      now: core.clock.now(),
      audience: agent.directory,
      issuer: agent.id,
    });
  } catch (error) {
    if (error instanceof TokenError) return undefined;
    throw error;
  }
}

function toAnswer({ verdict, account }: InspectionClaims): AccountState | ServiceError {
  if (verdict !== undefined) {
    const { code, message, action, rules, notBefore } = verdict;
    return new ServiceError(code, {
      detail: message,
      ...(action !== undefined && { action }),
      ...(rules !== undefined && { rules }),
      ...(notBefore !== undefined && { notBefore }),
    });
  }
  return (
    account ?? new ServiceError('AGENT_MISBEHAVED', { detail: 'an agent gave an empty answer' })
  );
}

function noAnswer(): ServiceError {
  return new ServiceError('NO_ANSWER', {
    detail: 'the agent did not answer',
  });
}

function isWorthAskingAnother({ code }: ServiceError): boolean {
  return code === 'NO_ANSWER' || (isOutcomeCode(code) && factsOf(code).redispatch === true);
}
