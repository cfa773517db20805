import type { Clock } from '../../src/support/clock.ts';
import type { Fault } from '../../test/support/fault-proxy.ts';
import type { World } from './world.ts';

const LINK_EVERY_MS = 20_000;
const CONTROLLER_EVERY_MS = 7_000;
const OUTAGE_EVERY_MS = 180_000;
const OUTAGE_MS = 15_000;
const PAUSE_EVERY_MS = 240_000;
const PAUSE_MS = 5_000;

const FAULTS: readonly Fault[] = [
  { kind: 'cut' },
  { kind: 'cut-after', direction: 'up', bytes: 700 },
  { kind: 'cut-after', direction: 'down', bytes: 300 },
  { kind: 'stall', direction: 'down', ms: 4_000 },
  { kind: 'stall', direction: 'up', ms: 2_000 },
  { kind: 'half-close', direction: 'down' },
  { kind: 'delay', direction: 'down', ms: 150, forMs: 5_000 },
];

/** Breaks links, connections and whole controllers, and pauses writeback, in turns until told to stop. */
export class Faults {
  readonly #world: World;
  readonly #clock: Clock;
  #inflicted = 0;

  constructor(world: World, clock: Clock) {
    this.#world = world;
    this.#clock = clock;
  }

  get inflicted(): number {
    return this.#inflicted;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { link, controllers, api } = this.#world;
    await Promise.all([
      this.#every(LINK_EVERY_MS, signal, (turn) => {
        link.inflict(faultOf(turn));
      }),
      this.#every(CONTROLLER_EVERY_MS, signal, (turn) => {
        controllers[turn % controllers.length]?.inflict(faultOf(turn), 0.5);
      }),
      this.#every(OUTAGE_EVERY_MS, signal, (turn) => this.#outage(turn, signal)),
      this.#every(PAUSE_EVERY_MS, signal, async () => {
        await api.order('PUT', 'writeback', { enabled: false, reason: 'soaking' });
        await this.#clock.sleep(PAUSE_MS, signal);
        await api.order('PUT', 'writeback', { enabled: true });
      }),
    ]);
  }

  /** A controller with which nothing lasts for longer than a moment. */
  async #outage(turn: number, signal: AbortSignal): Promise<void> {
    const proxy = this.#world.controllers[turn % this.#world.controllers.length];
    for (let ms = 0; ms < OUTAGE_MS && !signal.aborted; ms += 100) {
      if (proxy !== undefined && proxy.open > 0) proxy.inflict({ kind: 'cut' });
      await this.#clock.sleep(100, signal);
    }
  }

  async #every(
    ms: number,
    signal: AbortSignal,
    inflict: (turn: number) => void | Promise<void>,
  ): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      await this.#clock.sleep(ms, signal);
      if (signal.aborted) return;
      await inflict(turn);
      this.#inflicted += 1;
    }
  }
}

function faultOf(turn: number): Fault {
  return FAULTS[turn % FAULTS.length] ?? { kind: 'cut' };
}
