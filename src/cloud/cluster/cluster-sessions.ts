import type { LiveSessions } from '../link/live-sessions.ts';
import type { AgentSession, AgentSessions } from '../writeback/agent-session.ts';
import type { RemoteSessions } from './remote-sessions.ts';

export interface ClusterSessionsOptions {
  readonly live: LiveSessions;
  readonly remote: RemoteSessions;
  /** Something that the other nodes have to know of a session of this one. */
  readonly onApproved: (agentId: string) => void;
}

/** Who is connected, to whichever node. */
export function clusterSessions(options: ClusterSessionsOptions): AgentSessions {
  const { live, remote, onApproved } = options;
  const both = (directory: string): readonly AgentSession[] => {
    const own = live.welcomed(directory);
    const ids = new Set(own.map(({ agentId }) => agentId));
    return [...own, ...remote.of(directory).filter(({ agentId }) => !ids.has(agentId))];
  };
  return {
    own: () => live.own(),
    find: (agentId) => live.find(agentId) ?? remote.find(agentId),
    welcomed: both,
    approved: (directory) => both(directory).filter(({ approved }) => approved),
    approve: (agentId) => {
      live.approve(agentId);
      remote.find(agentId)?.approve();
      onApproved(agentId);
    },
    disconnect: (agentId, code, reason) => {
      live.disconnect(agentId, code, reason);
      remote.find(agentId)?.close(code, reason);
    },
    onChange: (listener) => {
      const offs = [live.onChange(listener), remote.onChange(listener)];
      return () => {
        for (const off of offs) off();
      };
    },
  };
}
