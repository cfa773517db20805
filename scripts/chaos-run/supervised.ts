import { appendFile } from 'node:fs/promises';
import { Program, type ProgramName } from '../../test/support/program.ts';

/** A program that is started again whenever it ends, at once, as systemd would with `RestartSec=0`. */
export class Supervised {
  readonly name: string;
  readonly logFile: string;
  /** Ends that nobody asked for, with the last that the program said. */
  readonly surprises: string[] = [];
  /** How often `kill()` met somebody. */
  kills = 0;
  readonly #spec: readonly [ProgramName, readonly string[]];
  #program: Program;
  #asked: 'nothing' | 'kill' | 'stop' = 'nothing';
  readonly #over: Promise<void>;

  constructor(
    name: string,
    logFile: string,
    spec: readonly [program: ProgramName, args: readonly string[]],
  ) {
    this.name = name;
    this.logFile = logFile;
    this.#spec = spec;
    this.#program = new Program(...spec);
    this.#over = this.#watch();
  }

  /** Resolves when the life under way has printed this. */
  async printed(pattern: RegExp): Promise<void> {
    await this.#program.printed(pattern);
  }

  /**
   * Ends it without a chance to say goodbye. False between two lives, when there is nobody to kill;
   * throws once it was told to stop, because what is killed is started again.
   */
  kill(): boolean {
    if (this.#asked === 'stop') throw new Error(`${this.name} was told to stop`);
    // One that is dying still takes signals.
    if (this.#asked === 'kill' || !this.#program.process.kill('SIGKILL')) return false;
    this.#asked = 'kill';
    this.kills++;
    return true;
  }

  /** Lets it drain, for good. Idempotent. */
  async stop(): Promise<void> {
    this.#asked = 'stop';
    this.#program.process.kill('SIGTERM');
    await this.#over;
  }

  async #watch(): Promise<void> {
    for (;;) {
      const { code, stdout, stderr } = await this.#program.ended;
      const asked = this.#asked;
      if (asked !== 'stop') {
        this.#asked = 'nothing';
        this.#program = new Program(...this.#spec);
      }
      if (asked === 'nothing') this.surprises.push(this.#surprise(code, stdout + stderr));
      await appendFile(this.logFile, stdout + stderr);
      if (asked !== 'stop') continue;
      if (code !== 0) this.surprises.push(`${this.name} did not drain: exit code ${code}`);
      return;
    }
  }

  #surprise(code: number | undefined, output: string): string {
    const said = output.trimEnd().split('\n').slice(-3).join('\n');
    return `${this.name} ended by itself with exit code ${code}:\n${said}`;
  }
}
