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

/** Asks the process; resolves with its next message. */
export async function ask<T>(child: ChildProcess, question: string): Promise<T> {
  const answer = once(child, 'message');
  child.send(question);
  const [message] = (await Promise.race([answer, ended(child)])) as [T];
  return message;
}

/** This process's own answer to `usage`. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  return { cpuUs: user + system, rss: process.memoryUsage().rss };
}

async function ended(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`the measured process ended with ${code ?? 'a signal'}`);
}
