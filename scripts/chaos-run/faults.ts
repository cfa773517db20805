import type { Clock } from '../../src/support/clock.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { pause } from './pause.ts';
import type { PlannedEvent, PlannedFault } from './plan.ts';
import type { World } from './world.ts';

/** Until what has just been killed has begun its next life. */
const REBORN_MS = 200;

/** Breaks what the plan says, when as many commands as it hangs on have ended. */
export class Faults {
  readonly #world: World;
  readonly #lab: Lab;
  readonly #clock: Clock;
  #left: readonly PlannedFault[];
  readonly #underWay: Promise<void>[] = [];
  /** By controller: one outage at a time. */
  readonly #outages = new Map<number, Promise<void>>();

  constructor(
    faults: readonly PlannedFault[],
    { world, lab, clock }: { world: World; lab: Lab; clock: Clock },
  ) {
    this.#left = faults;
    this.#world = world;
    this.#lab = lab;
    this.#clock = clock;
  }

  /** Broken things slow the commands down, and so whatever is broken next: the run heals by itself. */
  commandsEnded(count: number): void {
    const due = this.#left.filter(({ after }) => after < count);
    this.#left = this.#left.filter(({ after }) => after >= count);
    for (const fault of due) {
      const done = pause(this.#clock, fault.delayMs).then(() => this.#inflict(fault));
      // `settled()` tells of it, when the rest of the run can still clear up.
      done.catch(() => undefined);
      this.#underWay.push(done);
    }
  }

  /** Resolves when everything that was broken is whole again; rejects when something stayed broken. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #inflict(event: PlannedEvent): Promise<void> {
    switch (event.kind) {
      case 'kill':
        while (!this.#world.process(event.victim).kill()) await pause(this.#clock, REBORN_MS);
        return;
      case 'cut':
      case 'stall':
        this.#world.proxy(event.place).inflict(event.fault, event.pick);
        return;
      case 'stop':
      case 'freeze':
        await this.#outage(event);
    }
  }

  #outage(event: Extract<PlannedEvent, { kind: 'stop' | 'freeze' }>): Promise<void> {
    const { kind, controller, ms } = event;
    const outage = (this.#outages.get(controller) ?? Promise.resolve()).then(async () => {
      await (kind === 'stop'
        ? this.#lab.stopController(controller)
        : this.#lab.pauseController(controller));
      await pause(this.#clock, ms);
      await (kind === 'stop'
        ? this.#lab.startController(controller)
        : this.#lab.unpauseController(controller));
    });
    this.#outages.set(controller, outage);
    return outage;
  }
}
