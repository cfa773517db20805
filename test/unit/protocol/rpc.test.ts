import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { FROM_AGENT, FROM_SERVICE, MAX_FRAME_BYTES } from '../../../src/protocol/messages.ts';
import {
  Peer,
  ProtocolError,
  RpcError,
  UnansweredError,
  type Handlers,
} from '../../../src/protocol/rpc.ts';
import { anyJson } from '../../support/arbitraries.ts';
import { SEEDED } from '../../support/seeded.ts';

const JWS = 'aaaa.bbbb.cccc';
const CMD = '5b0e1c5e-6c7a-4d2b-9a53-0f5a8d1c2e01';
const never = new AbortController().signal;

type AgentHandlers = Handlers<typeof FROM_SERVICE>;

/** The agent's side with its wire in hand. */
function agentPeer(
  overrides: Partial<AgentHandlers> = {},
  send?: (frame: string) => void,
): {
  readonly peer: Peer<typeof FROM_SERVICE, typeof FROM_AGENT>;
  readonly sent: string[];
  readonly bugs: [string, unknown][];
  readonly heard: string[];
} {
  const sent: string[] = [];
  const bugs: [string, unknown][] = [];
  const heard: string[] = [];
  const peer = new Peer({
    incoming: FROM_SERVICE,
    outgoing: FROM_AGENT,
    handlers: {
      'session.challenge': ({ nonce }) => void heard.push(nonce),
      'session.renew': () => ({ hello: JWS }),
      'session.goodbye': ({ reason }) => void heard.push(reason),
      'account.inspect': () => ({ inspection: JWS }),
      'command.execute': () => Promise.resolve({ outcome: JWS }),
      'writeback.set': () => ({ version: 1, enabled: true }),
      ...overrides,
    },
    send: send ?? ((text) => sent.push(text)),
    onBug: (method, error) => bugs.push([method, error]),
  });
  return { peer, sent, bugs, heard };
}

let side: ReturnType<typeof agentPeer>;

beforeEach(() => {
  side = agentPeer();
});

const frame = (message: object): string => JSON.stringify({ jsonrpc: '2.0', ...message });

const sentBy = ({ sent }: { readonly sent: readonly string[] }): unknown[] =>
  sent.map((text) => JSON.parse(text) as unknown);

/** Lets every handler that is due run to its end. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('calling', () => {
  test('answers find their calls in whatever order they come', async () => {
    const first = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    const second = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    expect(sentBy(side)).toEqual([
      { jsonrpc: '2.0', id: 1, method: 'agent.keys', params: { sealingKey: JWS } },
      { jsonrpc: '2.0', id: 2, method: 'agent.keys', params: { sealingKey: JWS } },
    ]);
    side.peer.receive(frame({ id: 2, error: { code: -32000, message: 'not now' } }));
    side.peer.receive(frame({ id: 1, result: {} }));
    await expect(second).rejects.toMatchObject({ rpcCode: -32000 });
    await expect(first).resolves.toEqual({});
  });

  test('an error answer keeps our own code, and anything else in its data is passed over', async () => {
    const errors: [unknown, string][] = [
      [{ code: 'BAD_SIGNATURE' }, 'BAD_SIGNATURE'],
      [undefined, 'RPC_ERROR'],
      ['text', 'RPC_ERROR'],
      [null, 'RPC_ERROR'],
      [{ code: 'x'.repeat(65) }, 'RPC_ERROR'],
      [{ code: 1 }, 'RPC_ERROR'],
    ];
    for (const [i, [data, code]] of errors.entries()) {
      const call = side.peer.call('agent.keys', { sealingKey: JWS }, never);
      const error = { code: -32001, message: 'no', ...(data !== undefined && { data }) };
      side.peer.receive(frame({ id: i + 1, error }));
      await expect(call).rejects.toEqual(new RpcError(-32001, 'agent.keys: no', code));
      await expect(call).rejects.toMatchObject({ code });
    }
  });

  test('an overlong error message is cut, and the link lives', async () => {
    const call = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    side.peer.receive(frame({ id: 1, error: { code: -32603, message: 'x'.repeat(5000) } }));
    await expect(call).rejects.toMatchObject({ message: `agent.keys: ${'x'.repeat(1024)}` });
  });

  test('an answer of the wrong shape rejects the call and harms nothing else', async () => {
    const call = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    side.peer.receive(frame({ id: 1, result: { nonsense: 'planted' } }));
    await expect(call).rejects.toThrow('agent.keys: unexpected result');
  });

  test('answers that come late, twice, or to nothing are passed over', async () => {
    const abort = new AbortController();
    const call = side.peer.call('agent.keys', { sealingKey: JWS }, abort.signal);
    abort.abort();
    await expect(call).rejects.toBeInstanceOf(UnansweredError);
    for (const id of [1, 1, 2, 99, '1', -1, null]) {
      side.peer.receive(frame({ id, error: { code: -32603, message: 'late' } }));
      if (id !== null) side.peer.receive(frame({ id, result: {} }));
    }
    const next = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    side.peer.receive(frame({ id: 2, result: {} }));
    await expect(next).resolves.toEqual({});
  });

  test('a call under an aborted signal, or on a closed link, sends nothing', async () => {
    const gone = side.peer.call('agent.keys', { sealingKey: JWS }, AbortSignal.abort());
    await expect(gone).rejects.toBeInstanceOf(UnansweredError);
    side.peer.close();
    const closed = side.peer.call('agent.keys', { sealingKey: JWS }, never);
    await expect(closed).rejects.toBeInstanceOf(UnansweredError);
    side.peer.notify('session.goodbye', { reason: 'x' });
    expect(side.sent).toEqual([]);
  });

  test('closing rejects every call, and calling it again does nothing', async () => {
    const calls = Array.from({ length: 3 }, () =>
      side.peer.call('agent.keys', { sealingKey: JWS }, never),
    );
    side.peer.close();
    side.peer.close();
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNANSWERED' } });
    }
  });

  test('a link that is gone while sending rejects every call', async () => {
    let up = true;
    const { peer } = agentPeer({}, () => {
      if (!up) throw new Error('socket closed');
    });
    const first = peer.call('agent.keys', { sealingKey: JWS }, never);
    up = false;
    const second = peer.call('agent.keys', { sealingKey: JWS }, never);
    await expect(first).rejects.toBeInstanceOf(UnansweredError);
    await expect(second).rejects.toBeInstanceOf(UnansweredError);
  });

  test('no listener stays on a signal that outlives the call', async () => {
    let listeners = 0;
    const { signal } = new AbortController();
    const counted = Object.create(signal) as AbortSignal;
    Object.defineProperties(counted, {
      aborted: { get: () => false },
      addEventListener: { value: () => listeners++ },
      removeEventListener: { value: () => listeners-- },
    });
    const calls = [1, 2, 3].map(() => side.peer.call('agent.keys', { sealingKey: JWS }, counted));
    side.peer.receive(frame({ id: 1, result: {} }));
    side.peer.receive(frame({ id: 2, error: { code: 1, message: '' } }));
    side.peer.close();
    await Promise.allSettled(calls);
    expect(listeners).toBe(0);
  });
});

describe('being called', () => {
  test('a call is answered with what its handler returns, under its own id', async () => {
    for (const id of [7, 'seven']) {
      side.peer.receive(frame({ id, method: 'command.execute', params: { command: JWS } }));
    }
    await settled();
    expect(sentBy(side)).toEqual([
      { jsonrpc: '2.0', id: 7, result: { outcome: JWS } },
      { jsonrpc: '2.0', id: 'seven', result: { outcome: JWS } },
    ]);
  });

  test.each([
    ['an unknown method', { method: 'agent.hello', params: { hello: JWS } }, -32601],
    ['a method named like a member of every object', { method: 'constructor', params: {} }, -32601],
    ['a method named like the prototype', { method: '__proto__', params: {} }, -32601],
    ['an unknown method without parameters', { method: 'x' }, -32601],
    ['no parameters', { method: 'command.execute' }, -32602],
    ['parameters by position', { method: 'command.execute', params: [JWS] }, -32602],
    ['a parameter too many', { method: 'command.execute', params: { command: JWS, x: 1 } }, -32602],
    [
      'a parameter of the wrong form',
      { method: 'command.execute', params: { command: 'x' } },
      -32602,
    ],
  ])('%s is answered with its standard error', async (_, call, code) => {
    side.peer.receive(frame({ id: 1, ...call }));
    await settled();
    expect(sentBy(side)).toMatchObject([{ jsonrpc: '2.0', id: 1, error: { code } }]);
    expect(side.bugs).toEqual([]);
  });

  test('a notification is never answered, whatever is wrong with it', async () => {
    const failing = agentPeer({
      'session.goodbye': () => {
        throw new RpcError(-32000, 'not now');
      },
      'session.challenge': () => {
        throw new TypeError('planted');
      },
    });
    failing.peer.receive(frame({ method: 'nonsense' }));
    failing.peer.receive(frame({ method: 'command.execute', params: 1 }));
    failing.peer.receive(frame({ method: 'command.execute', params: { command: JWS } }));
    failing.peer.receive(frame({ method: 'session.goodbye', params: { reason: 'x' } }));
    failing.peer.receive(
      frame({ method: 'session.challenge', params: { session: CMD, nonce: 'n'.repeat(43) } }),
    );
    await settled();
    expect(failing.sent).toEqual([]);
    expect(failing.bugs.map(([method]) => method)).toEqual(['session.challenge']);
  });

  test('a refusal keeps its code; a bug is reported here and told to nobody', async () => {
    const failing = agentPeer({
      'writeback.set': () =>
        Promise.reject(new RpcError(-32001, 'x'.repeat(5000), 'BAD_SIGNATURE')),
      'command.execute': () => {
        throw new TypeError('planted');
      },
    });
    failing.peer.receive(frame({ id: 1, method: 'writeback.set', params: { toggle: JWS } }));
    failing.peer.receive(frame({ id: 2, method: 'command.execute', params: { command: JWS } }));
    await settled();
    const [bug, refusal] = sentBy(failing).sort(
      (a, b) => (b as { id: number }).id - (a as { id: number }).id,
    );
    expect(refusal).toMatchObject({
      id: 1,
      error: { code: -32001, data: { code: 'BAD_SIGNATURE' } },
    });
    expect(bug).toEqual({
      jsonrpc: '2.0',
      id: 2,
      error: { code: -32603, message: 'internal error', data: undefined },
    });
    expect(failing.bugs).toEqual([['command.execute', new TypeError('planted')]]);
    // What one side sends as an error, the other side must be able to read.
    const caller = agentPeer();
    const call = caller.peer.call('agent.keys', { sealingKey: JWS }, never);
    caller.peer.receive(JSON.stringify(refusal));
    await expect(call).rejects.toMatchObject({ code: 'BAD_SIGNATURE' });
  });

  test('after closing nothing is taken, and what was running answers nobody', async () => {
    let finish: (() => void) | undefined;
    const slow = agentPeer({
      'command.execute': () =>
        new Promise((resolve) => {
          finish = () => {
            resolve({ outcome: JWS });
          };
        }),
    });
    slow.peer.receive(frame({ id: 1, method: 'command.execute', params: { command: JWS } }));
    slow.peer.close();
    finish?.();
    slow.peer.receive(frame({ method: 'session.goodbye', params: { reason: 'too late' } }));
    slow.peer.receive('not JSON');
    await settled();
    expect(slow.sent).toEqual([]);
    expect(slow.heard).toEqual([]);
  });
});

describe('what is no JSON-RPC message ends the link', () => {
  test.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a number', '1'],
    ['null', 'null'],
    ['text', '"text"'],
    ['an empty batch', '[]'],
    ['a batch', `[${frame({ id: 1, method: 'session.renew', params: {} })}]`],
    ['no version', '{"id":1,"method":"x","params":{}}'],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"x","params":{}}'],
    ['an id that is null', frame({ id: null, method: 'x', params: {} })],
    ['an id that is no whole number', frame({ id: 1.5, method: 'x', params: {} })],
    ['an id that is an object', frame({ id: {}, method: 'x', params: {} })],
    ['an id as long as a book', frame({ id: 'x'.repeat(65), method: 'x', params: {} })],
    ['a method that is no text', frame({ id: 1, method: 1, params: {} })],
    ['a method as long as a book', frame({ id: 1, method: 'x'.repeat(65), params: {} })],
    ['a member too many', frame({ id: 1, method: 'x', params: {}, extra: 1 })],
    ['neither call nor answer', frame({ id: 1 })],
    ['both call and answer', frame({ id: 1, method: 'x', result: {} })],
    ['both result and error', frame({ id: 1, result: {}, error: { code: 1, message: '' } })],
    ['an error without code', frame({ id: 1, error: { message: '' } })],
    ['a frame over the limit', frame({ id: 1, result: 'x'.repeat(MAX_FRAME_BYTES) })],
  ])('%s', async (_, text) => {
    expect(() => {
      side.peer.receive(text);
    }).toThrow(ProtocolError);
    await settled();
    expect(side.sent).toEqual([]);
  });

  test('the error quotes nothing', () => {
    expect(() => {
      side.peer.receive('{"planted":');
    }).toThrow(new ProtocolError('not JSON'));
  });
});

/** Frames that are nearly right, and bytes that are not. */
const hostile = fc.oneof(
  anyJson().map((value) => JSON.stringify(value)),
  fc.string(),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => new TextDecoder().decode(bytes)),
  fc
    .record(
      {
        jsonrpc: fc.constantFrom('2.0', '1.0'),
        id: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.string(), anyJson()),
        method: fc.oneof(
          fc.constantFrom(...Object.keys(FROM_SERVICE), '__proto__', 'toString'),
          anyJson(),
        ),
        params: fc.oneof(fc.constantFrom({ command: JWS }, { toggle: JWS }), anyJson()),
        result: anyJson(),
        error: fc.oneof(fc.record({ code: fc.integer(), message: fc.string() }), anyJson()),
      },
      { requiredKeys: [] },
    )
    .map((message) => JSON.stringify(message)),
);

test('whatever arrives, receiving throws nothing but a ProtocolError, and no handler sees bad input', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      const { peer, bugs, sent } = agentPeer();
      const call = peer.call('agent.keys', { sealingKey: JWS }, never);
      call.catch(() => undefined);
      try {
        peer.receive(text);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
      await Promise.resolve();
      peer.close();
      await Promise.allSettled([call]);
      expect(bugs).toEqual([]);
      expect(sent.length).toBeLessThanOrEqual(2);
    }),
    { ...SEEDED, numRuns: 1000 },
  );
});

test('two sides understand each other', async () => {
  const agent: ReturnType<typeof agentPeer> = agentPeer();
  const service = new Peer({
    incoming: FROM_AGENT,
    outgoing: FROM_SERVICE,
    handlers: {
      'agent.hello': () => {
        throw new RpcError(-32001, 'not accepted', 'BAD_SIGNATURE');
      },
      'agent.status': () => undefined,
      'agent.keys': () => ({}),
      'command.began': () => undefined,
      'outcome.report': () => ({}),
      'session.goodbye': () => undefined,
    },
    send: (text) => {
      agent.peer.receive(text);
    },
    onBug: (_, error) => {
      throw error;
    },
  });
  const outcome = service.call('command.execute', { command: JWS }, never);
  const hello = agent.peer.call('agent.hello', { hello: JWS }, never);
  await settled();
  for (const text of agent.sent) service.receive(text);
  const [answer, refusal] = await Promise.allSettled([outcome, hello]);
  expect(answer).toEqual({ status: 'fulfilled', value: { outcome: JWS } });
  expect(refusal).toMatchObject({ reason: { code: 'BAD_SIGNATURE', rpcCode: -32001 } });
});
