import type { Program, ProgramName } from '../../test/support/program.ts';

const NAMES = { cloud: 'reset service', agent: 'agent' } as const satisfies Record<
  ProgramName,
  string
>;

interface Ending {
  readonly ended: Promise<Pick<Awaited<Program['ended']>, 'code'>>;
  readonly process: Pick<Program['process'], 'signalCode'>;
}

/** Tells of programs that end though nobody told them to. */
export class Watch {
  readonly #say: (line: string) => void;
  #stopping = false;
  #died = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Whether one of them has ended by itself. */
  get died(): boolean {
    return this.#died;
  }

  /** Says with what a program ends and where its log is, unless `stopping` was called before. */
  async over(what: ProgramName, program: Ending, logFile: string): Promise<void> {
    const { code } = await program.ended;
    if (this.#stopping) return;
    this.#died = true;
    const how =
      code === undefined
        ? `by ${program.process.signalCode ?? 'a signal'}`
        : `with exit code ${code}`;
    this.#say(`\nThe ${NAMES[what]} has ended by itself, ${how}. Its log is ${logFile}`);
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** From now on programs are expected to end. */
  stopping(): void {
    this.#stopping = true;
  }
}
