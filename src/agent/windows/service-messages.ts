/** Why a service is to stop, as winsvc.h names it. */
export type StopControl = 'STOP' | 'SHUTDOWN' | 'PRESHUTDOWN';

/** What the thread that speaks to the service control manager tells the agent. */
export type FromDialogue =
  | { readonly type: 'connected' }
  | { readonly type: 'stop'; readonly control: StopControl }
  /** The manager has let go of the process, or never had it: then nothing was connected before. */
  | { readonly type: 'over' };

/** What it is told. */
export type ToDialogue =
  | { readonly type: 'started' }
  /** The agent's own thread gets on: the time until it is ended begins anew. */
  | { readonly type: 'beat' }
  | { readonly type: 'ended'; readonly exitCode: number };

/** What it begins with. */
export interface DialogueData {
  readonly service: string;
}
