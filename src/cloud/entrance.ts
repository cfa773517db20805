import type { Socket } from 'node:net';
import type { Clock } from '../support/clock.ts';
import { networkOf } from './network-of.ts';

const LOOK_EVERY_MS = 100;

export interface EntranceLimits {
  /** Connections that are let in at one time; one is in when `isIn` says so, or when it is gone. */
  readonly atOnce: number;
  /** Those of one network get no more of these places while somebody of another one waits. */
  readonly perNetwork: number;
  /** Whoever takes longer than this to come in goes on, and the next one begins all the same. */
  readonly placeMs: number;
  /** The same while there is little to do: then it is the other side that is waited for. */
  readonly idlePlaceMs: number;
  /** Whoever has waited this long is turned away: it is about to give up, and work for it would be wasted. */
  readonly waitMs: number;
  /** Whoever has not said anything by then is cut off. */
  readonly silentMs: number;
}

/**
 * Agents give TLS ten seconds, and the upgrade as many: a wait and then the work for 256 others have
 * room in them, also on a slow machine and right after a start. 256 places for two seconds are as
 * many a second as a whole fleet behind one slow link can answer; more would only fill that link.
 */
export const ENTRANCE_LIMITS: EntranceLimits = {
  ...{ atOnce: 256, perNetwork: 64 },
  ...{ placeMs: 3_000, idlePlaceMs: 2_000 },
  ...{ waitMs: 6_000, silentMs: 5_000 },
};

export interface EntranceOptions {
  readonly limits: EntranceLimits;
  /** Begins the handshake, or whatever comes first on a connection. */
  readonly begin: (socket: Socket) => void;
  readonly onTurnedAway: (socket: Socket) => void;
  /** Whether this process has had its hands full since it was asked before. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  /** Aborted: nobody waits any more. */
  readonly stopping: AbortSignal;
}

/** What of a connection says which one it is, also once TLS has wrapped it. */
export type PeerAddress = Pick<Socket, 'remoteAddress' | 'remotePort'>;

interface Arrival {
  readonly socket: Socket;
  readonly name: string;
  readonly network: string;
  since: number;
  /** What it has said so far. */
  said?: Buffer;
  readonly onClose: () => void;
}

/**
 * Lets connections in a bounded number at a time, so that those that are begun are finished: a whole
 * fleet that comes at once would otherwise have all of its handshakes begun, and all of them time out.
 * The newest goes first: it has the most patience left. A silent connection takes no place, and one
 * that stalls keeps its place for long only while others make enough work to be held back. Nor can
 * strangers of one network keep out those of all others.
 */
export class Entrance {
  readonly #options: EntranceOptions;
  // All three in the order of their `since`.
  readonly #silent = new Set<Arrival>();
  readonly #waiting: Arrival[] = [];
  readonly #begun = new Map<string, Arrival>();
  /** How many of a network are begun. */
  readonly #places = new Map<string, number>();
  #isLooking = false;

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  /** Takes a connection that nothing was read from yet. */
  arrive(socket: Socket): void {
    if (this.#options.stopping.aborted) {
      socket.destroy();
      return;
    }
    const arrival: Arrival = {
      ...{ socket, name: nameOf(socket), network: networkOf(socket.remoteAddress) },
      since: this.#now,
      onClose: () => {
        this.#leave(arrival);
      },
    };
    socket.on('close', arrival.onClose);
    socket.on('error', ignore);
    socket.on('end', destroy);
    const onReadable = (): void => {
      const said = socket.read() as Buffer | null;
      if (said === null) return; // the end is announced like this, too
      socket.off('readable', onReadable);
      this.#wait(arrival, said);
    };
    socket.on('readable', onReadable);
    this.#silent.add(arrival);
    void this.#look();
  }

  /** The connection is in: its place is free for the next one. */
  isIn(peer: PeerAddress): void {
    const arrival = this.#begun.get(nameOf(peer));
    if (arrival !== undefined) this.#giveUpPlace(arrival);
  }

  /** Ends what has not come in yet. */
  close(): void {
    const all = [...this.#silent, ...this.#waiting, ...this.#begun.values()];
    for (const { socket } of all) socket.destroy();
  }

  get #now(): number {
    return this.#options.clock.monotonic();
  }

  #wait(arrival: Arrival, said: Buffer): void {
    this.#silent.delete(arrival);
    arrival.said = said;
    arrival.since = this.#now;
    this.#waiting.push(arrival);
    this.#letIn();
  }

  #letIn(): void {
    while (this.#begun.size < this.#options.limits.atOnce) {
      const next = this.#takeNext();
      if (next === undefined) return;
      if (!next.socket.destroyed) this.#begin(next);
    }
  }

  /** The newest of a network that has room or, where all who wait are of others, of those. */
  #takeNext(): Arrival | undefined {
    const { perNetwork } = this.#options.limits;
    const hasRoom = ({ network }: Arrival): boolean => this.#placesOf(network) < perNetwork;
    const roomy = this.#waiting.findLastIndex(hasRoom);
    return this.#waiting.splice(roomy, 1)[0]; // -1: the last one
  }

  #placesOf(network: string): number {
    return this.#places.get(network) ?? 0;
  }

  #begin(arrival: Arrival): void {
    const { socket, said } = arrival;
    socket.off('error', ignore);
    socket.off('end', destroy);
    delete arrival.said;
    arrival.since = this.#now;
    this.#begun.set(arrival.name, arrival);
    this.#places.set(arrival.network, this.#placesOf(arrival.network) + 1);
    socket.unshift(said);
    this.#options.begin(socket);
  }

  #giveUpPlace(arrival: Arrival): void {
    arrival.socket.off('close', arrival.onClose);
    this.#leave(arrival);
  }

  #leave(arrival: Arrival): void {
    this.#silent.delete(arrival);
    if (this.#begun.get(arrival.name) === arrival) this.#leavePlace(arrival);
    const at = this.#waiting.lastIndexOf(arrival);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#letIn();
  }

  #leavePlace({ name, network }: Arrival): void {
    this.#begun.delete(name);
    const left = this.#placesOf(network) - 1;
    if (left === 0) this.#places.delete(network);
    else this.#places.set(network, left);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { clock, stopping } = this.#options;
    while (this.#silent.size + this.#waiting.length + this.#begun.size > 0 && !stopping.aborted) {
      await clock.sleep(LOOK_EVERY_MS, stopping);
      this.#endWhatIsOver();
    }
    this.#isLooking = false;
  }

  #endWhatIsOver(): void {
    const { limits, isBusy, onTurnedAway } = this.#options;
    for (const { socket } of this.#over(this.#silent, limits.silentMs)) socket.destroy();
    for (const { socket } of this.#over(this.#waiting, limits.waitMs)) {
      onTurnedAway(socket);
      // A reset leaves no TIME-WAIT behind (RFC 9293 section 3.6.1), and there may be thousands.
      socket.resetAndDestroy();
    }
    const placeMs = isBusy() ? limits.placeMs : limits.idlePlaceMs;
    for (const arrival of this.#over(this.#begun.values(), placeMs)) this.#giveUpPlace(arrival);
  }

  /** Those that are over their time, and no more of them than there are. */
  #over(arrivals: Iterable<Arrival>, ms: number): readonly Arrival[] {
    const before = this.#now - ms;
    const over: Arrival[] = [];
    for (const arrival of arrivals) {
      if (arrival.since > before) break;
      over.push(arrival);
    }
    return over;
  }
}

/** Two open connections to one address of ours never have it in common. */
function nameOf({ remoteAddress = '', remotePort = 0 }: PeerAddress): string {
  return `${remoteAddress} ${remotePort}`;
}

function destroy(this: Socket): void {
  this.destroy();
}

function ignore(): void {
  // 'close' follows.
}
