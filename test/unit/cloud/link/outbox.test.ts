import { expect, test } from 'vitest';
import { Outbox } from '../../../../src/cloud/link/outbox.ts';

interface Sent {
  readonly text: string;
  readonly fin: boolean;
}

/** As much of a WebSocket as an outbox uses; says of a piece that it is written when told to. */
class FakeSocket {
  readonly OPEN = 1 as const;
  readyState: 0 | 1 | 2 | 3 = 1;
  readonly sent: Sent[] = [];
  #written: ((error?: Error) => void) | undefined;

  send(data: unknown, options: { fin?: boolean } = {}, written?: (error?: Error) => void): void {
    this.sent.push({ text: String(data), fin: options.fin ?? true });
    this.#written = written;
  }

  written(error?: Error): void {
    this.#written?.(error);
  }
}

function make(): { socket: FakeSocket; outbox: Outbox } {
  const socket = new FakeSocket();
  return {
    socket,
    outbox: new Outbox(socket as unknown as ConstructorParameters<typeof Outbox>[0]),
  };
}

test('a frame goes at once and whole, and so does a short one that could wait', () => {
  const { socket, outbox } = make();
  outbox.send('x'.repeat(5_000));
  outbox.patiently(() => {
    outbox.send('short');
  });
  expect(socket.sent.map(({ text, fin }) => [text.length, fin])).toEqual([
    [5_000, true],
    [5, true],
  ]);
});

test('a patient frame goes in pieces, the next one when the one before is written', () => {
  const { socket, outbox } = make();
  const frame = Array.from({ length: 500 }, (_, n) => `${n} é`).join();
  outbox.patiently(() => {
    outbox.send(frame);
  });
  expect(socket.sent).toHaveLength(1);
  while (socket.sent.at(-1)?.fin === false) socket.written();
  const sizes = socket.sent.map(({ fin }) => fin);
  expect(sizes).toEqual([...sizes.slice(1).map(() => false), true]);
  expect(socket.sent.length).toBeGreaterThan(3);
});

test('the pieces together are the frame', () => {
  const pieces: Buffer[] = [];
  const outbox = new Outbox({
    ...{ OPEN: 1, readyState: 1 },
    send: (data: Buffer, _options: unknown, written: () => void) => {
      pieces.push(data);
      written();
    },
  } as unknown as ConstructorParameters<typeof Outbox>[0]);
  const frame = 'é€𝄞'.repeat(3_000);
  outbox.patiently(() => {
    outbox.send(frame);
  });
  expect(Buffer.concat(pieces).toString()).toBe(frame);
  expect(pieces.length).toBeLessThanOrEqual(16); // or the agent drops the link
});

test('what is sent after a patient frame comes after it, in its order', () => {
  const { socket, outbox } = make();
  outbox.patiently(() => {
    outbox.send('w'.repeat(1_000));
  });
  outbox.send('first');
  outbox.patiently(() => {
    outbox.send('r'.repeat(1_000));
  });
  outbox.send('second');
  expect(outbox.length).toBe(2_011); // the frame in pieces, too
  for (let n = 0; n < 4; n += 1) socket.written();
  expect(socket.sent.map(({ text }) => text[0])).toEqual(['w', 'w', 'f', 'r', 'r', 's']);
  expect(outbox.length).toBe(0);
});

test('nothing more goes to a socket that has failed or is being closed', () => {
  for (const end of ['failed', 'closing']) {
    const { socket, outbox } = make();
    outbox.patiently(() => {
      outbox.send('w'.repeat(3_000));
    });
    outbox.send('first');
    if (end === 'closing') socket.readyState = 2;
    socket.written(end === 'failed' ? new Error('gone') : undefined);
    expect(socket.sent).toHaveLength(1);
    expect(outbox.length).toBe(0);
  }
});

test('what is to be done when it is empty comes after the pieces and what waits behind them', () => {
  const { socket, outbox } = make();
  const frame = 'x'.repeat(2_000);
  outbox.patiently(() => {
    outbox.send(frame);
  });
  outbox.send('goodbye');
  const done: string[] = [];
  outbox.whenEmpty(() => done.push('closed'));
  outbox.whenEmpty(() => done.push('closed again'));
  expect(outbox.length).toBe(frame.length + 'goodbye'.length);
  for (let turn = 0; turn < 2; turn++) {
    socket.written();
    expect(done).toEqual([]);
  }
  socket.written();
  expect(socket.sent.at(-1)).toEqual({ text: 'goodbye', fin: true });
  expect(done).toEqual(['closed']);
  expect(outbox.length).toBe(0);
  outbox.whenEmpty(() => done.push('at once'));
  expect(done).toEqual(['closed', 'at once']);
});

test('it is empty, too, when the connection goes in the middle of a frame', () => {
  const { socket, outbox } = make();
  outbox.patiently(() => {
    outbox.send('x'.repeat(2_000));
  });
  outbox.send('lost');
  const done: string[] = [];
  outbox.whenEmpty(() => done.push('closed'));
  socket.written(new Error('gone'));
  expect(done).toEqual(['closed']);
  expect(socket.sent.map(({ text }) => text)).not.toContain('lost');
});
