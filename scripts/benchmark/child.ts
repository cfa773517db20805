import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a measured process says of itself: microseconds of CPU since its start, bytes resident. */
export interface Usage {
  readonly cpuUs: number;
  readonly rss: number;
}

/** Starts a compiled module of this folder on one core of its own, with a channel to talk over. */
export function startPinned(module: string, args: readonly string[]): ChildProcess {
  const path = join(import.meta.dirname, module);
  const command = ['-c', '0', process.execPath, '--enable-source-maps', path, ...args];
  return spawn('taskset', command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

/**
 * Starts a compiled module of this folder whose memory is read: with the environment of the systemd
 * units and the images, and so that the garbage of a run can be collected first.
 */
export function startMeasured(module: string, args: readonly string[]): ChildProcess {
  const path = join(import.meta.dirname, module);
  return spawn(process.execPath, ['--expose-gc', '--enable-source-maps', path, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
  });
}

/** Asks the process; resolves with its next message. */
export async function ask<T>(child: ChildProcess, question: string | object): Promise<T> {
  const answer = message<T>(child);
  child.send(question);
  return answer;
}

/** The next message of the process; rejects when it ends without one. */
export async function message<T>(child: ChildProcess): Promise<T> {
  const settled = new AbortController();
  const { signal } = settled;
  const answer = once(child, 'message', { signal });
  try {
    const [said] = (await Promise.race([answer, ended(child, signal)])) as [T];
    return said;
  } finally {
    settled.abort();
  }
}

/** This process's own answer to `usage`. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, rss: process.memoryUsage().rss };
}

/** The same once everything that can be let go of is, where Node runs with --expose-gc. */
export function settledUsage(): Usage {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  return usage();
}

async function ended(child: ChildProcess, signal: AbortSignal): Promise<never> {
  const [code] = (await once(child, 'exit', { signal })) as [number | null];
  throw new Error(`the measured process ended with ${code ?? 'a signal'}`);
}
