/** What the service control manager is told (SERVICE_STATUS of winsvc.h). */
export interface ServiceStatus {
  readonly state: 'start-pending' | 'running' | 'stop-pending' | 'stopped';
  /** Grows while something takes its time; 0 at rest. */
  readonly checkPoint: number;
  /** The code of the process, once it has stopped. */
  readonly exitCode: number;
}

export type ServiceEvent =
  | { readonly type: 'tick' }
  /** The agent's own thread gets on. */
  | { readonly type: 'beat' }
  | { readonly type: 'started' }
  | { readonly type: 'stopping' }
  | { readonly type: 'ended'; readonly exitCode: number };

export const STARTING: ServiceStatus = { state: 'start-pending', checkPoint: 1, exitCode: 0 };

/** How often a pending state is confirmed. */
export const TICK_MS = 1_000;

/** How long the manager may wait for the next sign of life: room for a busy machine. */
const WAIT_HINT_MS = 10_000;

/** As many signs of life as a pending state gets: what takes longer is stuck, and the manager shall see it. */
const MOST_CHECK_POINTS = 120;

/**
 * The status after an event; the same object when the event means nothing in this state.
 *
 *   start-pending → running → stop-pending → stopped
 *
 * Each may be left out: what fails while it starts stops at once, and one may be told to stop while it starts.
 */
export function nextStatus(status: ServiceStatus, event: ServiceEvent): ServiceStatus {
  if (status.state === 'stopped') return status;
  switch (event.type) {
    case 'tick':
      return ticked(status);
    case 'beat':
      return status;
    case 'started':
      return status.state === 'start-pending'
        ? { state: 'running', checkPoint: 0, exitCode: 0 }
        : status;
    case 'stopping':
      return status.state === 'stop-pending'
        ? status
        : { state: 'stop-pending', checkPoint: 1, exitCode: 0 };
    case 'ended':
      return { state: 'stopped', checkPoint: 0, exitCode: event.exitCode };
  }
}

function ticked(status: ServiceStatus): ServiceStatus {
  const { state, checkPoint } = status;
  if (state === 'running' || checkPoint >= MOST_CHECK_POINTS) return status;
  return { ...status, checkPoint: checkPoint + 1 };
}

const OWN_PROCESS = 0x10;
const STATES = { stopped: 1, 'start-pending': 2, 'stop-pending': 3, running: 4 } as const;

/** SERVICE_ACCEPT_STOP, _SHUTDOWN and _PRESHUTDOWN: the last gives the drain more time than a shutdown does. */
const ACCEPTED_CONTROLS = 0x1 | 0x4 | 0x100;

/** ERROR_SERVICE_SPECIFIC_ERROR: the code that counts is in the member after this one. */
const SERVICE_SPECIFIC = 1066;

/** SERVICE_STATUS as it lies in memory: seven numbers of 32 bits. */
export function statusBytes({ state, checkPoint, exitCode }: ServiceStatus): Buffer {
  const isPending = state === 'start-pending' || state === 'stop-pending';
  const bytes = Buffer.alloc(28);
  [
    OWN_PROCESS,
    STATES[state],
    state === 'running' ? ACCEPTED_CONTROLS : 0,
    exitCode === 0 ? 0 : SERVICE_SPECIFIC,
    exitCode,
    checkPoint,
    isPending ? WAIT_HINT_MS : 0,
  ].forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}
