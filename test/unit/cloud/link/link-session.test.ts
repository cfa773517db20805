import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import type { PublicKey } from '../../../../src/protocol/keys.ts';
import { LinkSession, type SessionDuties } from '../../../../src/cloud/link/link-session.ts';
import { watchSessions } from '../../../../src/cloud/link/watch-sessions.ts';
import { Rounds } from '../../../../src/support/rounds.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { MemoryLog } from '../../../support/memory-log.ts';

/** As much of a WebSocket as a session uses. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: Record<string, unknown>[] = [];
  /** Frames, and pieces of frames, by whether they were the end of one. */
  readonly ends: boolean[] = [];
  /** Says that the last piece was written. */
  written: () => void = () => undefined;
  #begun = '';
  readonly closes: number[] = [];
  terminated = false;
  answersPings = true;

  send(
    data: string | Buffer,
    { fin = true }: { readonly fin?: boolean } = {},
    written: () => void = () => undefined,
  ): void {
    this.#begun += data.toString();
    this.ends.push(fin);
    this.written = written;
    if (!fin) return;
    this.sent.push(JSON.parse(this.#begun) as Record<string, unknown>);
    this.#begun = '';
  }

  /** What an agent says first. */
  hello(): void {
    const hello = { jsonrpc: '2.0', id: 1, method: 'agent.hello', params: { hello: 'a.b.c' } };
    this.emit('message', Buffer.from(JSON.stringify(hello)), false);
  }

  ping(): void {
    if (this.answersPings) this.emit('pong');
  }

  close(code: number): void {
    this.closes.push(code);
    this.readyState = 2;
  }

  terminate(): void {
    this.terminated = true;
    this.readyState = 3;
    this.emit('close');
  }
}

const DUTIES: SessionDuties = {
  hello: () => Promise.reject(new Error('not scripted')),
  renewed: () => Promise.resolve(),
  renew: () => Promise.resolve(),
  status: () => Promise.resolve(),
  sealingKey: () => Promise.resolve(),
  outcomes: () => Promise.resolve(),
};

function start(duties: Partial<SessionDuties> = {}): {
  socket: FakeSocket;
  session: LinkSession;
  clock: FakeClock;
} {
  const socket = new FakeSocket();
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const session = new LinkSession(socket as unknown as WebSocket, {
    agentId: 'a',
    directory: 'corp',
    deviceKey: {} as PublicKey,
    duties: { ...DUTIES, ...duties },
    renewEveryMs: 3_600_000,
    clock,
    log: new MemoryLog(),
  });
  session.challenge();
  return { socket, session, clock };
}

/** Lets what was woken run. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await Promise.resolve();
}

test('the first frame is a challenge with a nonce of its own', () => {
  const [one, two] = [start(), start()];
  const [a, b] = [one.socket.sent[0], two.socket.sent[0]];
  expect(a).toMatchObject({ method: 'session.challenge', params: { session: one.session.id } });
  expect((a?.params as { nonce: string }).nonce).not.toBe((b?.params as { nonce: string }).nonce);
});

test('without a hello within 10 s the session ends', () => {
  const { socket, session, clock } = start();
  clock.advance(9_999);
  session.look();
  expect(socket.closes).toEqual([]);
  clock.advance(1);
  session.look();
  session.look();
  expect(socket.closes).toEqual([4004]);
});

test('after 40 s of silence the socket is cut, and any frame counts as a sound', async () => {
  const { socket, session, clock } = start();
  socket.hello();
  await settle();
  clock.advance(39_999);
  session.look();
  socket.emit('ping');
  clock.advance(39_999);
  session.look();
  expect(socket.terminated).toBe(false);
  clock.advance(1);
  session.look();
  expect(socket.terminated).toBe(true);
  expect(session.closed.aborted).toBe(true);
});

test('a session that lasts is renewed each time that it has become old', async () => {
  let renewals = 0;
  const { socket, session, clock } = start({
    renew: () => {
      renewals += 1;
      return Promise.resolve();
    },
  });
  socket.hello();
  await settle();
  for (const expected of [0, 1, 1, 2]) {
    clock.advance(1_800_000);
    socket.emit('ping');
    session.look();
    expect(renewals).toBe(expected);
  }
});

test('every session is looked after once a second', async () => {
  const clock = new FakeClock(undefined, { autoAdvance: false });
  const stopping = new AbortController();
  let looks = 0;
  const look = (): void => {
    looks += 1;
  };
  const watched = watchSessions(
    { all: () => [{ look }, { look }] },
    { clock, rounds: new Rounds(clock) },
    stopping.signal,
  );
  for (const expected of [2, 4]) {
    clock.advance(1_000);
    await settle();
    expect(looks).toBe(expected);
  }
  stopping.abort();
  await watched;
  expect(looks).toBe(4);
});

test('a socket that does not close back is cut after 2 s', async () => {
  const { socket, session, clock } = start();
  session.close(4001, 'revoked');
  await settle();
  expect(socket.terminated).toBe(false);
  clock.advance(2_000);
  await settle();
  expect(socket.terminated).toBe(true);
});

test('a probe tells a live end from a dead one', async () => {
  const { socket, session, clock } = start();
  expect(await session.probe(2_000)).toBe(true);
  socket.answersPings = false;
  const dead = session.probe(2_000);
  await settle();
  clock.advance(2_000);
  expect(await dead).toBe(false);
});

test('whoever does not read what is sent is cut off', () => {
  const { socket, session } = start();
  session.approved = true;
  socket.bufferedAmount = 2 * 1024 * 1024;
  const asked = session.inspect('a.b.c', new AbortController().signal);
  expect(socket.terminated).toBe(true);
  return expect(asked).rejects.toMatchObject({ code: 'UNANSWERED' });
});

test('a welcome and a renewal go in pieces, and what is sent after them whole and behind them', async () => {
  const keySet = 'k'.repeat(1_500);
  const standing = { serverTime: '2030-01-01T00:00:00.000Z', approved: true, keySet, peers: [] };
  const { socket, session } = start({
    hello: () => Promise.resolve({ ...standing, session: 's', protocol: 1, oldestVersion: '1' }),
  });
  const { signal } = new AbortController();
  socket.hello();
  await settle();
  expect(socket.ends).toEqual([true, false]);
  socket.written();
  expect(socket.ends).toEqual([true, false, true]);
  socket.written();
  await new Promise((resolve) => setImmediate(resolve));
  const renewed = session.renew(standing);
  const set = session.setToggle('t'.repeat(2_000), signal);
  expect(socket.ends).toEqual([true, false, true, false]);
  socket.written();
  socket.written();
  expect(socket.ends).toEqual([true, false, true, false, true, true]);
  expect(socket.sent.slice(2).map(({ method }) => method)).toEqual([
    'session.renew',
    'writeback.set',
  ]);
  session.terminate();
  await expect(set).rejects.toMatchObject({ code: 'UNANSWERED' });
  await renewed;
});

test('what waits behind a renewal that is not read counts as not read', async () => {
  const { socket, session } = start();
  const { signal } = new AbortController();
  const standing = { serverTime: '2030-01-01T00:00:00.000Z', approved: true, peers: [] };
  const renewed = session.renew({ ...standing, keySet: 'k'.repeat(1_500) });
  const sets = Array.from({ length: 3 }, () => session.setToggle('t'.repeat(600_000), signal));
  const ends = await Promise.allSettled(sets);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(socket.terminated).toBe(true);
  await renewed;
});

test('an agent that is not approved is asked nothing', async () => {
  const { socket, session } = start();
  const { signal } = new AbortController();
  const command = { command: 'a.b.c', jti: 'j', onBegan: () => undefined };
  await expect(session.inspect('a.b.c', signal)).rejects.toMatchObject({ code: 'UNANSWERED' });
  await expect(session.execute(command, signal)).rejects.toMatchObject({ code: 'UNANSWERED' });
  expect(socket.sent).toHaveLength(1);
});

test('a flood of pings ends the session', () => {
  const { socket } = start();
  for (let n = 0; n < 20_001; n += 1) socket.emit('ping');
  expect(socket.closes).toEqual([4004]);
});
