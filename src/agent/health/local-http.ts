import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { foreignHost } from '../../support/own-host.ts';
import type { Liveness } from './watchdog.ts';
import type { LocalStatus, Refreshed } from './local-status.ts';

/** What this machine may be shown. */
export interface LocalView {
  readonly liveness: () => Liveness;
  readonly notReady: () => readonly string[];
  readonly status: () => LocalStatus;
  readonly metrics: () => Promise<string>;
  readonly metricsType: string;
}

/** What may be asked for besides, where the operating system says who may ask. */
export interface LocalControl {
  /** Looks at once what is ordered at this machine. Never rejects. */
  readonly refresh: () => Promise<Refreshed>;
}

interface Answer {
  readonly code: number;
  readonly type?: string;
  readonly body: string;
  readonly allow?: string;
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

/** Read-only, for the loopback port: everybody on the machine may ask, a page in a browser may not. */
export function healthListener(view: LocalView): RequestListener {
  return (request, response) => {
    const foreign = foreignHost(request.headers.host);
    const answer = foreign === undefined ? answerOf(request, view) : { code: 421, body: foreign };
    void send(request, response, answer);
  };
}

/** For the control socket, which only the agent's account and group can open. */
export function controlListener(view: LocalView, control: LocalControl): RequestListener {
  return (request, response) => {
    const isRefresh = request.url === '/refresh' && request.method === 'POST';
    void send(request, response, isRefresh ? refresh(control) : answerOf(request, view));
  };
}

async function refresh(control: LocalControl): Promise<Answer> {
  return { code: 200, type: JSON_TYPE, body: JSON.stringify(await control.refresh()) };
}

function answerOf({ url, method }: IncomingMessage, view: LocalView): Answer | Promise<Answer> {
  const answer = ANSWERS.get(url?.split('?')[0] ?? '');
  if (answer === undefined)
    return { code: 404, body: `there are ${[...ANSWERS.keys()].join(' ')}\n` };
  if (method !== 'GET' && method !== 'HEAD') {
    return { code: 405, body: 'only GET and HEAD\n', allow: 'GET, HEAD' };
  }
  return answer(view);
}

type Question = (view: LocalView) => Answer | Promise<Answer>;

const ANSWERS: ReadonlyMap<string, Question> = new Map<string, Question>([
  ['/livez', livez],
  ['/readyz', readyz],
  ['/metrics', metrics],
  ['/status.json', status],
]);

function livez(view: LocalView): Answer {
  const liveness = view.liveness();
  return liveness.alive ? good : bad(liveness.stuck);
}

function readyz(view: LocalView): Answer {
  const reasons = view.notReady();
  return reasons.length === 0 ? good : bad(reasons);
}

async function metrics(view: LocalView): Promise<Answer> {
  return { code: 200, type: view.metricsType, body: await view.metrics() };
}

function status(view: LocalView): Answer {
  return { code: 200, type: JSON_TYPE, body: JSON.stringify(view.status()) };
}

const good: Answer = { code: 200, body: 'ok\n' };

function bad(reasons: readonly string[]): Answer {
  return { code: 503, body: `${reasons.join('\n')}\n` };
}

async function send(
  request: IncomingMessage,
  response: ServerResponse,
  made: Answer | Promise<Answer>,
): Promise<void> {
  const { code, type = TEXT, body, allow } = await made;
  request.resume(); // whatever else it says is not read
  response.writeHead(code, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(allow !== undefined && { Allow: allow }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
