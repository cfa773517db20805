/** The session a command came in on; a command is good for that session only. */
export interface CommandSession {
  readonly id: string;
  /** Aborts when the session is over: the service may give the operation to another agent then. */
  readonly ended: AbortSignal;
  /** Tells the service that the write is about to begin. Never throws. */
  began(notice: { cmd: string; jti: string; controller?: string }): void;
  /** Tells the service this agent's time anew: its commands come late, or seem to. Never throws. */
  late(): void;
}
