import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../support/program.ts';

/** The lab of a demonstration is one of its own, and boots. */
const LIMIT_MS = 180_000;

/** A program in a process group of its own, as in a terminal. */
class Terminal {
  readonly #child;
  readonly #closed: Promise<unknown>;
  printed = '';

  constructor(command: string, args: readonly string[], typed = '') {
    this.#child = spawn(command, args, { cwd: ROOT, detached: true });
    this.#closed = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (data: Buffer) => (this.printed += data.toString()));
    }
    this.#child.stdin.on('error', () => undefined); // it need not ask
    this.#child.stdin.end(typed);
  }

  /** Ctrl-C reaches everything that runs in the terminal. */
  interrupt(): void {
    const { pid, exitCode } = this.#child;
    if (pid !== undefined && exitCode === null) process.kill(-pid, 'SIGINT');
  }

  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }
}

test(
  'the demo stays until Ctrl-C, and all that it says to try works',
  { timeout: LIMIT_MS },
  async () => {
    const demo = new Terminal('./scripts/demo', []);
    onTestFinished(async () => {
      demo.interrupt();
      await demo.ended();
    }, LIMIT_MS);
    await expect
      .poll(() => demo.printed, { timeout: LIMIT_MS, interval: 250 })
      .toMatch(/Three things to try[^]*\n {5}node \S+ resume .*\n/);
    const [reset = '', status = '', pause = '', resume = ''] = [
      ...demo.printed.matchAll(/^ {5}(node .*)$/gm),
    ].map(([, command]) => command);
    expect(await typed(reset, 'Tried-In-Another-Terminal-1\n')).toMatch(/^0: [^]*is applied/);
    expect(await typed(status)).toMatch(/^0: /);
    expect(await typed(pause)).toMatch(/^0: /);
    expect(await typed(reset, 'Tried-In-Another-Terminal-2\n')).toMatch(/^2: [^]*PAUSED/);
    expect(await typed(resume)).toMatch(/^0: /);
    demo.interrupt();
    expect(await demo.ended(), demo.printed).toBe(0);
    expect(demo.printed).toContain('Stopping everything that was started');
  },
);

async function typed(command: string, answer = ''): Promise<string> {
  const terminal = new Terminal('bash', ['-c', command], answer);
  return `${await terminal.ended()}: ${terminal.printed}`;
}
