import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ShortText, Timestamp, Uuid } from '../../../protocol/shapes.ts';
import type { Clock } from '../../../support/clock.ts';
import { writeFileDurably } from '../../../support/files.ts';
import type { Logger } from '../../../support/logger.ts';
import { readJson, type ReadJson } from './json-file.ts';

const LocalOrdersFile = z.strictObject({
  /** Nothing is written while it lasts. */
  pause: z
    .strictObject({
      reason: ShortText,
      since: Timestamp,
      until: Timestamp.optional(),
      /** The operating system's name of whoever ordered it. */
      by: ShortText.max(128).optional(),
    })
    .optional(),
  /** Trips of the breaker that a person has looked into, and when. */
  resumed: z.strictObject({ at: Timestamp, trips: z.array(Uuid) }).optional(),
});

/** What a person at this machine has ordered the agent to do. */
export type OrdersFile = z.infer<typeof LocalOrdersFile>;
export type LocalPause = NonNullable<OrdersFile['pause']>;

/** Only the command line writes this file; the agent reads it. */
export function ordersFile(stateFolder: string): string {
  return join(stateFolder, 'local-orders.json');
}

/** Never rejects. */
export function readOrders(stateFolder: string): Promise<ReadJson<OrdersFile>> {
  return readJson(ordersFile(stateFolder), LocalOrdersFile);
}

/** Replaces what was ordered, durably. */
export function writeOrders(stateFolder: string, orders: OrdersFile): Promise<void> {
  return writeFileDurably(ordersFile(stateFolder), `${JSON.stringify(orders)}\n`);
}

/** The pause that holds now; undefined when there is none or its time is over. */
export function pauseAt(orders: OrdersFile, now: number): LocalPause | undefined {
  const { pause } = orders;
  return pause?.until !== undefined && now >= Date.parse(pause.until) ? undefined : pause;
}

/** What somebody who is far from this machine has to know about the pause; each a `ShortText`. */
export function pausedInWords({ reason, since, until }: LocalPause): {
  readonly message: string;
  readonly action: string;
} {
  const words = `paused at the agent since ${since}, until ${until ?? 'somebody resumes it'}: ${reason}`;
  return {
    // What is longer is cut at a whole character.
    message: words.slice(0, 512).replace(/[\ud800-\udbff]$/, ''),
    action: `It was paused on the agent's machine at ${since}: when the reason is gone, run \`passback resume\` there; \`passback-cloud resume\` does not end it.`,
  };
}

/** What is ordered at this machine, as the running agent sees it. */
export class LocalOrders {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #read: typeof readOrders;
  #orders: OrdersFile = {};
  /** The file that `#orders` is from; undefined: it has to be read. */
  #seen: string | undefined;
  /** Since when it cannot be read; undefined while it can. */
  #unreadableSince: string | undefined;
  #told = false;
  #looking: Promise<void> | undefined;
  #lookingAgain: Promise<void> | undefined;

  private constructor(folder: string, clock: Clock, log: Logger, read: typeof readOrders) {
    this.#folder = folder;
    this.#clock = clock;
    this.#log = log;
    this.#read = read;
  }

  static async open(
    folder: string,
    clock: Clock,
    log: Logger,
    read = readOrders,
  ): Promise<LocalOrders> {
    const orders = new LocalOrders(folder, clock, log, read);
    await orders.refresh();
    return orders;
  }

  get pause(): LocalPause | undefined {
    return pauseAt(this.#orders, this.#clock.now());
  }

  get resumed(): OrdersFile['resumed'] {
    return this.#orders.resumed;
  }

  /**
   * Looks whether something else is ordered now. Never rejects: a file that cannot be read means
   * that nothing is written, until it can.
   */
  refresh(): Promise<void> {
    if (this.#looking === undefined) {
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined;
      });
      return this.#looking;
    }
    // That look may have read before what was ordered just now: one more, for all who come meanwhile.
    this.#lookingAgain ??= this.#looking.then(() => {
      this.#lookingAgain = undefined;
      return this.refresh();
    });
    return this.#lookingAgain;
  }

  async #look(): Promise<void> {
    const seen = identityOf(ordersFile(this.#folder));
    if (seen !== this.#seen) {
      const read = await this.#readNow();
      this.#orders = this.#toOrders(read);
      // What kept it from being read (a disk, a permission, too many files) may end without a trace at it.
      this.#seen = read.type === 'unusable' ? undefined : seen;
    }
    this.#tell();
  }

  /** A folder that is gone under a running agent (a disk that came off) says nothing about what is in it. */
  async #readNow(): Promise<ReadJson<OrdersFile>> {
    const read = await this.#read(this.#folder);
    return read.type !== 'absent' || existsSync(this.#folder)
      ? read
      : { type: 'unusable', why: 'cannot be read (its folder is gone)' };
  }

  #toOrders(read: ReadJson<OrdersFile>): OrdersFile {
    if (read.type !== 'unusable') {
      this.#unreadableSince = undefined;
      return read.type === 'read' ? read.content : {};
    }
    const reason = `${ordersFile(this.#folder)} ${read.why}: nothing is written until it can be, or passback pause or passback resume has replaced it`;
    const since = (this.#unreadableSince ??= new Date(this.#clock.now()).toISOString());
    // What was looked into before stays so: only the breaker's own file opens it again.
    return { ...this.#orders, pause: { reason: reason.slice(0, 512), since } };
  }

  #tell(): void {
    const { pause } = this;
    if ((pause !== undefined) === this.#told) return;
    this.#told = pause !== undefined;
    if (pause === undefined) this.#log.info('writeback.resumed_locally');
    else
      this.#log.warn('writeback.paused_locally', {
        reason: pause.reason,
        until: pause.until,
        by: pause.by,
      });
  }
}

/** Another value whenever the file was replaced; one look at it costs less than reading it. */
function identityOf(path: string): string {
  try {
    // Every command asks: another thread, and waiting for it, would cost ten times as much.
    const file = statSync(path, { bigint: true, throwIfNoEntry: false });
    return file === undefined
      ? 'absent'
      : [file.ino, file.size, file.mtimeNs, file.ctimeNs].join(' ');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
