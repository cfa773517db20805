import { openNotifySocket, type Send } from './notify-socket.ts';
import type { News, ServiceManager } from './service-manager.ts';
import type { Environment } from './terminal.ts';

/**
 * The systemd that has started this process (sd_notify(3)); undefined where it has not, or does not
 * want to hear anything. Rejects when it does and cannot be told: it would end the process anyway.
 */
export async function openSystemd(
  env: Environment,
  pid: number = process.pid,
  open: (address: string) => Promise<Send> = openNotifySocket,
): Promise<ServiceManager | undefined> {
  const address = env.NOTIFY_SOCKET ?? '';
  if (!/^[/@]./.test(address)) return undefined;
  return new Systemd(await open(address), watchdogMs(env, pid));
}

/** Meant for another process where WATCHDOG_PID says so (sd_watchdog_enabled(3)). */
function watchdogMs(env: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: microseconds = '', WATCHDOG_PID: meant = '' } = env;
  if (!/^[1-9]\d{0,15}$/.test(microseconds) || (meant !== '' && meant !== String(pid))) {
    return undefined;
  }
  return Number(microseconds) / 1000;
}

class Systemd implements ServiceManager {
  readonly watchdogMs: number | undefined;
  readonly #send: Send;
  /** What is said only once, and did not get through. Of everything else only the newest counts. */
  #unsaid: Pick<News, 'phase'> = {};

  constructor(send: Send, watchdog: number | undefined) {
    this.#send = send;
    this.watchdogMs = watchdog;
  }

  tell(news: News): void {
    const { phase } = { ...this.#unsaid, ...news };
    const once = phase === undefined ? {} : { phase };
    this.#unsaid = this.#send(textOf({ ...news, ...once })) ? {} : once;
  }
}

/** The lines of sd_notify(3) for some news. Pure. */
export function textOf({ phase, status, alive, moreTimeMs }: News): string {
  return [
    ...(phase === undefined ? [] : [phase === 'ready' ? 'READY=1' : 'STOPPING=1']),
    ...(moreTimeMs === undefined ? [] : [`EXTEND_TIMEOUT_USEC=${Math.round(moreTimeMs * 1000)}`]),
    ...(alive === undefined ? [] : ['WATCHDOG=1']),
    ...(status === undefined ? [] : [`STATUS=${oneLine(status)}`]),
  ].join('\n');
}

/** A line break would begin an order of its own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{C}\u2028\u2029]+/gu, ' ').slice(0, 500);
}
