/** Counts and prints steps; one that fails says why and the others go on. */
export class Steps {
  readonly #say: (line: string) => void;
  failed = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Runs one step: it fails when `prove` rejects or throws. Resolves with whether it passed. */
  async step(what: string, prove: () => Promise<void>): Promise<boolean> {
    const began = performance.now();
    const problem = await Promise.resolve()
      .then(prove)
      .then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    this.#say(`${problem === undefined ? 'PASS' : 'FAIL'}  ${what} (${seconds} s)`);
    if (problem === undefined) return true;
    this.failed += 1;
    this.#say(problem.trim().replaceAll(/^/gm, '      '));
    return false;
  }
}

/** Rejects, with both, when what was found is not as expected. */
export function expect(found: string, expected: RegExp | string, what: string): void {
  const good = typeof expected === 'string' ? found.trim() === expected : expected.test(found);
  if (!good) throw new Error(`${what}: expected ${String(expected)}, found:\n${found}`);
}
