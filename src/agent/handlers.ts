import { RPC_ERRORS, type Standing as Told } from '../protocol/messages.ts';
import { RpcError } from '../protocol/rpc.ts';
import { TokenError } from '../protocol/tokens.ts';
import type { Clock } from '../support/clock.ts';
import type { Logger } from '../support/logger.ts';
import type { Commander } from './commands/commander.ts';
import { inspect, NoQuestion, type Inspector } from './commands/inspect.ts';
import { JournalError } from './commands/journal-error.ts';
import { Unresolved } from './commands/outcomes.ts';
import type { Toggle } from './commands/toggle.ts';
import type { Trust } from './identity/identity.ts';
import type { Peers } from './identity/peers.ts';
import type { LinkHandlers, SessionHandle } from './link/link-options.ts';
import type { Standing } from './standing.ts';

export interface HandlerParts {
  readonly commander: Commander;
  readonly inspector: Inspector;
  readonly toggle: Toggle;
  readonly trust: Trust;
  readonly peers: Peers;
  readonly standing: Standing;
  /** Says how the agent is, and what its clock is. */
  readonly tellStatus: () => Promise<void>;
  readonly hello: (challenge: { session: string; nonce: string }) => Promise<string>;
  /** Hears how much of the trail the service has. */
  readonly onTrail: (trail: Told['trail'], session: SessionHandle) => void;
  /** Hears of whatever may show in the status. */
  readonly onChanged: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the service may ask, answered by the command core. */
export function linkHandlers(parts: HandlerParts): LinkHandlers {
  const { commander, inspector, hello } = parts;
  return {
    'account.inspect': async ({ request }, { id }) => ({
      inspection: await inspect(request, id, inspector).catch(toRpcError),
    }),
    'command.execute': async ({ command }, session) => ({
      outcome: await commander
        .execute(command, {
          id: session.id,
          ended: session.ended,
          began: (notice) => {
            session.notify('command.began', notice);
          },
          late: () => void parts.tellStatus(),
        })
        .catch(notYet),
    }),
    'writeback.set': async ({ toggle }) => {
      if ((await takeToggle(toggle, parts).catch(toRpcError)) === 'older') {
        const { version } = parts.toggle.state;
        const message = `version ${version} is known, this one is not newer`;
        throw new RpcError(RPC_ERRORS.notAccepted, message, 'OLD_VERSION');
      }
      const { version, enabled } = parts.toggle.state;
      return { version, enabled };
    },
    'session.renew': async ({ nonce, ...told }, session) => {
      await takeStanding(told, session, parts).catch(toRpcError);
      return { hello: await hello({ session: session.id, nonce }) };
    },
  };
}

/**
 * Takes what a welcome or a renewal says. Rejects with `TokenError` when its statements are not the
 * service's. What is offered here is known to every command that comes in after it: both are begun
 * before anything is waited for.
 */
export async function takeStanding(
  told: Told,
  session: SessionHandle,
  parts: HandlerParts,
): Promise<void> {
  const { keySet, toggle, approved } = told;
  const { trust, peers, standing, clock, log, onChanged } = parts;
  const offered = trust.offer(keySet, clock.now());
  const learnt = peers.offer(told.peers);
  const taken = await offered;
  await learnt;
  if (taken === 'newer') log.info('keys.key_set_changed', { number: trust.number });
  if (taken === 'older') log.warn('keys.key_set_ignored', { kept: trust.number });
  if (toggle !== undefined) await takeToggle(toggle, parts);
  parts.onTrail(told.trail, session);
  const isNews = standing.take(told);
  const level = isNews ? 'info' : 'debug';
  log[level](approved ? 'session.approved' : 'session.pending', { session: session.id });
  onChanged();
}

async function takeToggle(
  statement: string,
  { toggle, log, onChanged }: HandlerParts,
): Promise<'newer' | 'same' | 'older'> {
  const taken = await toggle.offer(statement);
  const { version, enabled, reason, until } = toggle.state;
  if (taken === 'newer') {
    log.info('writeback.toggled', { version, enabled, reason, until });
    onChanged();
  }
  if (taken === 'older') log.warn('writeback.toggle_ignored', { kept: version });
  return taken;
}

/** The service asks again, and hears it then. */
function notYet(error: unknown): never {
  const passes = error instanceof JournalError && error.retryable;
  if (passes || error instanceof Unresolved)
    throw new RpcError(RPC_ERRORS.notNow, error.message, 'NOT_NOW');
  throw error;
}

/** What was not signed by the service is refused by its code; anything else is a bug. */
function toRpcError(error: unknown): never {
  if (error instanceof NoQuestion || error instanceof TokenError) {
    throw new RpcError(RPC_ERRORS.notAccepted, error.message, error.code);
  }
  throw error;
}
