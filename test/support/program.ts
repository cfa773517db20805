import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Where each of them begins, below a checkout that is built. */
export const MAIN = {
  agent: 'dist/src/agent/main.js',
  cloud: 'dist/src/cloud/main.js',
} as const;

// From the sources (vitest) and from what is compiled of them alike.
/** This checkout. */
export const ROOT: string = join(
  import.meta.dirname.replace(/dist.test.support$/, 'test/support'),
  '../..',
);

export type ProgramName = keyof typeof MAIN;

export interface Ended {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** One of the two programs, as it is installed: a process of its own, built from the sources. */
export class Program implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  /** `root`: another checkout, built, whose program it is. */
  constructor(name: ProgramName, args: readonly string[], stdin = '', root = ROOT) {
    const main = join(root, MAIN[name]);
    this.process = spawn(process.execPath, ['--enable-source-maps', main, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Tests run next to each other, and to a demonstration.
      env: { ...process.env, ...(name === 'cloud' && { PASSBACK_CLOUD_HEALTH_PORT: '0' }) },
    });
    this.process.stdout?.on('data', (data: Buffer) => (this.#stdout += data.toString()));
    this.process.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    this.process.stdin?.on('error', () => undefined); // it ended before it read all: its exit code says more
    this.process.stdin?.end(stdin);
    this.ended = once(this.process, 'close').then(([code]) => ({
      code: typeof code === 'number' ? code : undefined,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** Everything it has printed so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Resolves when it has printed a line that matches; rejects when it ends or `limitMs` pass first. */
  async printed(pattern: RegExp, limitMs = 60_000): Promise<RegExpMatchArray> {
    const deadline = AbortSignal.timeout(limitMs);
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      const over = this.process.exitCode !== null || this.process.signalCode !== null;
      if (over || deadline.aborted) {
        throw new Error(
          `no ${String(pattern)} in the output of ${this.process.spawnargs.slice(2).join(' ')}:\n${this.output}`,
        );
      }
      const more = [this.process.stdout, this.process.stderr].map((stream) =>
        stream === null ? new Promise(() => undefined) : once(stream, 'data', { signal: deadline }),
      );
      await Promise.race([...more, once(this.process, 'close')]).catch(() => undefined);
    }
  }

  /** Asks it to drain and resolves when it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.process.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** Runs one command to its end. */
export async function runProgram(
  name: ProgramName,
  args: readonly string[],
  stdin = '',
  root = ROOT,
): Promise<Ended> {
  return new Program(name, args, stdin, root).ended;
}
