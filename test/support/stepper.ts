import type { CommandRig } from './command-rig.ts';
import type { FakeClock } from './fake-clock.ts';
import type { FakeDomain } from './fake-domain.ts';
import type { PowerCutDisk } from './power-cut-disk.ts';

/**
 * Takes an agent down at its n-th step: from there on nothing of it happens any more. Steps lie
 * before and after everything that the command core waits for or tells: each question to the
 * directory, each write, each record on the disk, each sleep, each notice; with a disk that can lose
 * power, each thing that is done to it as well.
 *
 * What else is awaited has no step of its own: `verifyCommand`, `changeOf` (the secret is opened),
 * signing an outcome, `outcomeOf` (one is read back), `nextTurn` and `admission.refresh` (it is
 * looked for orders of this machine). None of them changes anything outside, on the disk or in the
 * directory, so a death there leaves the world as a death at the step before does: after the record
 * or the reading before it, and before the next. Only the memory differs, and that is gone.
 */
export class Stepper {
  readonly #fatal: number;
  #steps = 0;
  #onDeath: () => void = () => undefined;
  readonly died: Promise<'died'>;

  constructor(fatal: number) {
    this.#fatal = fatal;
    this.died = new Promise((resolve) => {
      this.#onDeath = () => {
        resolve('died');
      };
    });
  }

  get steps(): number {
    return this.#steps;
  }

  get dead(): boolean {
    return this.#steps >= this.#fatal;
  }

  /** Puts a step on either side of everything that this rig does to the world outside. */
  attach(
    rig: CommandRig,
    { domain, clock, disk }: { domain: FakeDomain; clock: FakeClock; disk?: PowerCutDisk },
  ): Disposable {
    if (disk !== undefined) disk.step = () => this.#step();
    const original = {
      read: domain.read.bind(domain),
      apply: domain.apply.bind(domain),
      sleep: clock.sleep.bind(clock),
    };
    domain.read = this.#around(original.read);
    domain.apply = this.#around(original.apply);
    clock.sleep = this.#around(original.sleep);
    rig.journal.append = this.#around(rig.journal.append.bind(rig.journal));
    const began = rig.session.began.bind(rig.session);
    Object.assign(rig.session, {
      began: (notice: Parameters<typeof began>[0]) => {
        this.#count();
        if (!this.dead) began(notice);
      },
    });
    return {
      [Symbol.dispose]: () => {
        Object.assign(domain, { read: original.read, apply: original.apply });
        clock.sleep = original.sleep;
        if (disk !== undefined) disk.step = () => Promise.resolve();
      },
    };
  }

  #around<A extends unknown[], T>(call: (...args: A) => Promise<T>): (...args: A) => Promise<T> {
    return async (...args) => {
      await this.#step();
      // What was sent is carried out, whether or not anybody lives to hear of it.
      const [result] = await Promise.allSettled([call(...args)]);
      await this.#step();
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    };
  }

  async #step(): Promise<void> {
    this.#count();
    if (this.dead) await new Promise(() => undefined); // for ever
  }

  #count(): void {
    if (this.dead) return;
    this.#steps += 1;
    if (this.#steps >= this.#fatal) this.#onDeath();
  }
}
