import { EventEmitter, once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SignalSource } from '../../support/stop-signals.ts';
import { UsageError } from '../../support/usage-error.ts';
import type { DialogueData, FromDialogue, ToDialogue } from './service-messages.ts';

/** What the manager gets to let go of a process that has stopped. */
const LET_GO_LIMIT_MS = 5_000;

/** The agent's side of being a Windows service. */
export interface ServiceHost {
  /** STOP, SHUTDOWN and PRESHUTDOWN of the service control manager, as if they were signals. */
  readonly signals: SignalSource;
  /** The start is done. */
  started(): void;
  /** The agent's own thread gets on; once started, it is ended when it has not said so for 30 s. */
  beat(): void;
  /** Tells the manager that nothing runs any more; resolves when it knows. Idempotent. */
  ended(exitCode: number): Promise<void>;
}

/**
 * Makes this process the service that the service control manager has just started. Rejects with
 * `UsageError` when it has not. Should the dialogue break later, the process ends with an uncaught
 * error: without STOPPED, so that the recovery actions start it again.
 */
export async function startServiceHost(service: string): Promise<ServiceHost> {
  const worker = new Worker(new URL('./service-worker.js', import.meta.url), {
    workerData: { service } satisfies DialogueData,
  });
  const events = new EventEmitter();
  let isOver = false;
  worker.on('message', (message: FromDialogue) => {
    if (message.type === 'stop') events.emit('SIGTERM', message.control);
    if (message.type !== 'over') events.emit(message.type);
    if (message.type !== 'over') return;
    isOver = true;
    events.emit('over');
  });
  worker.on('error', (cause) => {
    if (!isOver) throw new Error('the dialogue with the service control manager broke', { cause });
  });
  worker.on('exit', () => {
    if (!isOver) throw new Error('the dialogue with the service control manager has ended');
  });
  await Promise.race([once(events, 'connected'), refused(events)]);
  const tell = (message: ToDialogue): void => {
    worker.postMessage(message);
  };
  let ending: Promise<void> | undefined;
  return {
    signals: events,
    started: () => {
      tell({ type: 'started' });
    },
    beat: () => {
      tell({ type: 'beat' });
    },
    ended: (exitCode) => (ending ??= end(exitCode)),
  };

  async function end(exitCode: number): Promise<void> {
    const over = isOver
      ? Promise.resolve()
      : once(events, 'over', { signal: AbortSignal.timeout(LET_GO_LIMIT_MS) }).catch(
          () => undefined,
        );
    tell({ type: 'ended', exitCode });
    await over;
    isOver = true;
    await worker.terminate();
  }
}

async function refused(events: EventEmitter): Promise<never> {
  await once(events, 'over');
  throw new UsageError(
    '--service is for the service control manager, which has not started this process: use `passback run` without it, or `sc start passback`',
  );
}
