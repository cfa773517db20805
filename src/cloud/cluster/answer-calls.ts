import { UnansweredError } from '../../protocol/rpc.ts';
import type { LinkSession } from '../link/link-session.ts';
import type { LiveSessions } from '../link/live-sessions.ts';
import type { Call } from './node-calls.ts';

const PROBE_WITHIN_MS = 2_000;

/** Does with a session of this node what another node asks for. Rejects with `RpcError` or `UnansweredError`. */
export async function answerCall(
  live: LiveSessions,
  call: Call,
  signal: AbortSignal,
): Promise<string> {
  const session = live.find(call.agent);
  if (session?.id !== call.session) {
    if (call.type === 'probe') return 'gone';
    throw new UnansweredError('the session is gone');
  }
  switch (call.type) {
    case 'inspect':
      return session.inspect(call.request, signal);
    case 'toggle':
      await session.setToggle(call.toggle, signal);
      return '';
    case 'renew':
      return renew(live, session, call);
    case 'close':
      live.disconnect(call.agent, call.code, call.reason);
      return '';
    case 'probe':
      return (await session.probe(PROBE_WITHIN_MS)) ? 'alive' : 'silent';
  }
}

/** The answer is that the question is on the wire: what the other node sends afterwards comes after it. */
function renew(
  live: LiveSessions,
  session: LinkSession,
  { standing }: Extract<Call, { type: 'renew' }>,
): string {
  if (standing.approved) live.approve(session.agentId);
  void session.renew(standing);
  return '';
}
