import type { PublicKey } from '../../protocol/keys.ts';
import type { Standing } from '../../protocol/messages.ts';

/** The port: an agent that has said hello and whose socket is open. */
export interface AgentSession {
  readonly id: string;
  readonly agentId: string;
  readonly directory: string;
  /** The other node that has the socket; undefined: this one. */
  readonly node?: string;
  /** What its statements are signed with. */
  readonly deviceKey: PublicKey;
  /** By its own last report. */
  readonly healthy: boolean;
  /** Whether a person has approved the agent; nothing is asked of it before. */
  readonly approved: boolean;
  /** It has said goodbye: what it is handed from now on may never be answered. */
  readonly leaving: boolean;
  /** Aborts when the socket is gone. */
  readonly closed: AbortSignal;
  /**
   * How far the agent's monotonic clock is by now, at the least: its newest statement may have been
   * held back on the way, which makes commands look later than they are and never sooner.
   */
  agentMonotonicMs(): number;
  /** The signed answer. Rejects with `UnansweredError` or `RpcError`. */
  inspect(request: string, signal: AbortSignal): Promise<string>;
  /** The signed outcome; `onBegan` is called when the write is about to begin. Rejects likewise. */
  execute(command: CommandFrame, signal: AbortSignal): Promise<string>;
  /** Hands a toggle over. Rejects likewise. */
  setToggle(toggle: string, signal: AbortSignal): Promise<void>;
  /**
   * Tells the agent where it stands and takes a fresh hello; a session that cannot be renewed is
   * closed. What is sent after the call arrives after it; on another node, what is sent after it has
   * resolved. Resolves either way.
   */
  renew(standing: Standing): Promise<void>;
  /** Ends the session; idempotent. */
  close(code: number, reason: string): void;
}

export interface CommandFrame {
  readonly command: string;
  readonly jti: string;
  readonly onBegan: (controller: string | undefined) => void;
}

/** The port: who is connected. */
export interface AgentSessions {
  find(agentId: string): AgentSession | undefined;
  /** Every session that was welcomed and whose socket this node has. */
  own(): readonly AgentSession[];
  /** The sessions of a directory that were welcomed. */
  welcomed(directory: string): readonly AgentSession[];
  /** The sessions of a directory's approved agents that are there to stay. */
  approved(directory: string): readonly AgentSession[];
  /** Makes a live session count as approved at once. */
  approve(agentId: string): void;
  /** Closes whatever session an agent has, also one that has not said hello yet. */
  disconnect(agentId: string, code: number, reason: string): void;
  /** Calls `listener` whenever somebody comes, goes or is approved; the result stops that. */
  onChange(listener: () => void): () => void;
}
