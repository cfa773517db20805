import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import type { StopSignals } from '../../src/support/stop-signals.ts';
import { messageOf } from '../../src/support/errors.ts';
import { settledUsage, usage } from './child.ts';
import type { FleetMember } from './fleet.ts';
import { SimulatedAgent, type LinkNews } from './simulated-agent.ts';
import { inParallel } from './work-pool.ts';

/** Connections that are opened at one time when nobody is in a hurry. */
const AT_ONCE = 24;

/** What the fleet is made of; written for it by the benchmark. */
export interface FleetInput {
  readonly ca: string;
  readonly issuer: string;
  readonly members: readonly FleetMember[];
}

export type FleetQuestion =
  | { readonly ask: 'hold'; readonly url: string; readonly count: number }
  | { readonly ask: 'drop' }
  /** Begins to open so many bare connections, each at some moment of the time given. */
  | {
      readonly ask: 'return';
      readonly url: string;
      readonly count: number;
      readonly spreadMs: number;
    }
  /** Starts agents up to `count` of them; `tapped` of them dial the other URL. */
  | {
      readonly ask: 'run';
      readonly url: string;
      readonly count: number;
      readonly tap?: { readonly url: string; readonly count: number };
    }
  | { readonly ask: 'report' }
  | { readonly ask: 'news' }
  | { readonly ask: 'usage' };

/** What happened since it was asked before, and how many sessions there are now. */
export interface FleetNews {
  readonly up: number;
  readonly events: readonly (LinkNews & { readonly at: number })[];
}

const input = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as FleetInput;
const trust = createSecureContext({ ca: input.ca });

const held: WebSocket[] = [];
const running: SimulatedAgent[] = [];
let up = 0;
let events: (LinkNews & { readonly at: number })[] = [];

function open(url: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const options: ClientOptions & { readonly secureContext: SecureContext } = {
      ...{ secureContext: trust, perMessageDeflate: false },
    };
    const socket = new WebSocket(url, options);
    socket.once('open', () => {
      resolve(socket);
    });
    socket.on('error', reject);
  });
}

async function hold({ url, count }: FleetQuestion & { readonly ask: 'hold' }): Promise<void> {
  const missing = Array.from({ length: count - held.length }, (_, i) => i);
  await inParallel(missing, AT_ONCE, async () => {
    held.push(await open(url));
  });
}

async function comeBack({
  url,
  spreadMs,
}: FleetQuestion & { readonly ask: 'return' }): Promise<void> {
  for (;;) {
    await delay(Math.random() * spreadMs);
    try {
      held.push(await open(url));
      up += 1;
      events.push({ kind: 'up', at: Date.now() });
      return;
    } catch (error) {
      events.push({ kind: 'failed', reason: messageOf(error), at: Date.now() });
    }
  }
}

/** Resolves when all of them have a session. */
async function run({ url, count, tap }: FleetQuestion & { readonly ask: 'run' }): Promise<void> {
  const missing = input.members.slice(running.length, count);
  await inParallel(missing, AT_ONCE, async (member) => {
    const place = running.length < (tap?.count ?? 0) ? (tap?.url ?? url) : url;
    await new Promise<void>((resolve) => void start(member, place, resolve));
  });
}

async function start(member: FleetMember, url: string, onUp: () => void): Promise<void> {
  const agent = await SimulatedAgent.create(member, {
    ...{ url, issuer: input.issuer, trust },
    onNews: (news) => {
      events.push({ ...news, at: Date.now() });
      if (news.kind === 'up') up += 1;
      if (news.kind === 'down') up -= 1;
      if (news.kind === 'up') onUp();
    },
  });
  running.push(agent);
  await agent.run(never());
}

/** Of its own for each agent: adding a listener to a signal looks at every one that it has, here a whole fleet's. */
function never(): StopSignals {
  return { drain: new AbortController().signal, abort: new AbortController().signal };
}

async function answer(question: FleetQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'hold':
      await hold(question);
      return held.length;
    case 'drop':
      for (const socket of held.splice(0)) socket.terminate();
      return held.length;
    case 'return':
      for (let i = 0; i < question.count; i++) void comeBack(question);
      return question.count;
    case 'run':
      await run(question);
      return running.length;
    case 'report':
      await Promise.all(running.map((agent) => agent.tellStatus()));
      return running.length;
    case 'news': {
      const news: FleetNews = { up, events };
      events = [];
      return news;
    }
    case 'usage':
      return held.length + running.length === 0 ? settledUsage() : usage();
  }
}

process.on('message', (question) => {
  void answer(question as FleetQuestion).then((told) => process.send?.(told));
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
