import type { WebSocket } from 'ws';
import { MAX_FRAME_BYTES } from '../../protocol/messages.ts';
import type { Pulse } from './heartbeat.ts';

/** More than this waiting to be sent means that the other side has stopped reading. */
const MAX_UNSENT_BYTES = 16 * MAX_FRAME_BYTES;

/** An open connection that carries text frames in order, as the session sees it. */
export interface Wire extends Pulse {
  /** Settles with the close code once the connection is gone (1006: without one). Never rejects. */
  readonly closed: Promise<number>;
  /**
   * Starts the flow of frames; called once. `undefined` stands for a frame that no peer of ours
   * sends: binary, oversize, not UTF-8.
   */
  open(onFrame: (frame: string | undefined) => void): void;
  /** Throws when the connection is gone or the other side has stopped reading. */
  send(frame: string): void;
  /** Closes after what was sent; terminates when the other side does not follow. Idempotent. */
  close(code: number, reason: string): void;
  terminate(): void;
}

/** A `Wire` on a paused WebSocket. */
export function socketWire(socket: WebSocket): Wire {
  const closed = new Promise<number>((resolve) => {
    socket.once('close', resolve);
  });
  return {
    closed,
    open: (onFrame) => {
      socket.on('message', (data, isBinary) => {
        onFrame(isBinary || !Buffer.isBuffer(data) ? undefined : data.toString());
      });
      // RangeError: over a limit. TypeError: a broken frame. Anything else is the network.
      socket.on('error', (error) => {
        if ('code' in error && String(error.code).startsWith('WS_ERR_')) onFrame(undefined);
      });
      socket.resume();
    },
    send: (frame) => {
      if (socket.readyState !== socket.OPEN) throw new Error('the link is gone');
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) {
        socket.terminate();
        throw new Error('the other side does not read');
      }
      socket.send(frame);
    },
    close: (code, reason) => {
      socket.close(code, reason);
    },
    terminate: () => {
      socket.terminate();
    },
    ping: () => {
      if (socket.readyState === socket.OPEN) socket.ping();
    },
    pong: () =>
      new Promise((resolve) => {
        socket.once('pong', () => {
          resolve();
        });
      }),
  };
}
