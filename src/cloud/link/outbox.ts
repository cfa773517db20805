import type { WebSocket } from 'ws';

/**
 * What fits, with its headers, into the first kilobyte that Node keeps for what a TLS connection
 * writes. One longer message makes that 16 KiB more for as long as the connection lasts.
 */
const PIECE_BYTES = 900;
/** Agents take 16 fragments. */
const MAX_PIECES = 15;

interface Frame {
  readonly text: string;
  readonly isPatient: boolean;
}

/** Puts frames on one socket in their order. Nothing of what it sends is known to have arrived. */
export class Outbox {
  readonly #socket: Pick<WebSocket, 'send' | 'OPEN' | 'readyState'>;
  /** What has to wait for the pieces of a frame; undefined while none are under way. */
  #waiting: Frame[] | undefined;
  /** Characters of the frame whose pieces are under way. */
  #inPieces = 0;
  #isPatient = false;
  #onEmpty: (() => void) | undefined;

  constructor(socket: Pick<WebSocket, 'send' | 'OPEN' | 'readyState'>) {
    this.#socket = socket;
  }

  /** How many characters wait here at the most. */
  get length(): number {
    return this.#waiting?.reduce((sum, { text }) => sum + text.length, this.#inPieces) ?? 0;
  }

  /** Whether a frame is under way in pieces. */
  get isBusy(): boolean {
    return this.#waiting !== undefined;
  }

  /** Does this, the first that is asked for, once everything that was sent is with the socket or never will be. */
  whenEmpty(work: () => void): void {
    if (this.isBusy) this.#onEmpty ??= work;
    else work();
  }

  /** A patient frame goes in pieces, one in a turn of the event loop, and what is sent after it waits for it. */
  send(text: string): void {
    this.#put({ text, isPatient: this.#isPatient });
  }

  /** What `work` sends before it returns is patient: every agent is sent it, and none is in a hurry for it. */
  patiently<T>(work: () => T): T {
    this.#isPatient = true;
    try {
      return work();
    } finally {
      this.#isPatient = false;
    }
  }

  /** The same for what is sent in the rest of this turn of the event loop. */
  patientThisTurn(): void {
    this.#isPatient = true;
    setImmediate(() => {
      this.#isPatient = false;
    });
  }

  #put({ text, isPatient }: Frame): void {
    if (this.#waiting !== undefined) this.#waiting.push({ text, isPatient });
    else if (isPatient && text.length > PIECE_BYTES) this.#sendInPieces(text);
    else this.#socket.send(text);
  }

  #sendInPieces(text: string): void {
    const bytes = Buffer.from(text);
    this.#waiting = [];
    this.#inPieces = text.length;
    const size = Math.max(PIECE_BYTES, Math.ceil(bytes.length / MAX_PIECES));
    const sendFrom = (start: number): void => {
      const end = start + size;
      const fin = end >= bytes.length;
      this.#socket.send(bytes.subarray(start, end), { binary: false, fin }, (error) => {
        const isOver = error instanceof Error || this.#socket.readyState !== this.#socket.OPEN;
        if (isOver) this.#waiting = [];
        if (isOver || fin) this.#sendWaiting();
        else sendFrom(end);
      });
    };
    sendFrom(0);
  }

  #sendWaiting(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of waiting) this.#put(frame);
    if (this.isBusy) return;
    this.#onEmpty?.();
    this.#onEmpty = undefined;
  }
}
