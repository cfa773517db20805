import type { IncomingMessage } from 'node:http';
import { Timestamp } from '../../protocol/shapes.ts';
import { LinkError } from './link-error.ts';
import { parseJson } from '../../support/parse-json.ts';

const MAX_BODY_BYTES = 4_096;
const BODY_WITHIN_MS = 2_000;

export const URL_CURE =
  'look at service.url and at what stands in front of the service, which has to let WebSockets through';

/** What ends it, for the person at this machine, who may not be the admin. */
export const UNTIL_ENABLED =
  'it works again after `passback-cloud agent enable`, which it asks for within a quarter of an hour, at once when it is restarted';

/** The service has no room, or a failure of its own; or it does not answer whoever stands in front. */
const PASSING_STATUS: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** Codes of a 401 that the next token may not meet any more. */
const PASSING: Readonly<Partial<Record<string, string>>> = {
  EXPIRED: 'the token came too late: compare the clocks of agent and service',
  NOT_YET_VALID: 'the token is from the future: compare the clocks of agent and service',
  TOKEN_REPLAYED: 'the token had been used: something on the way repeats requests',
};

/** Why the service, or something in front of it, did not accept the upgrade. Never rejects. */
export async function readRefusal(response: IncomingMessage): Promise<LinkError> {
  const status = response.statusCode ?? 0;
  const wish = retryAfterMs(response.headers['retry-after']);
  const { code, serverTime } = problemOf(await bodyOf(response));
  if (PASSING_STATUS.has(status)) {
    return new LinkError('NOT_READY', `the service is not ready (HTTP ${status})`, wish);
  }
  // The service says why, always: without a word it is somebody else in between, who may soon be gone.
  if ((status === 401 || status === 403) && code !== undefined) {
    return notAdmitted(`HTTP ${status} ${code}${clocks(code, serverTime)}`, code);
  }
  switch (status) {
    case 409:
      return new LinkError(
        'NOT_ADMITTED',
        'this agent is connected already (HTTP 409): two machines may be running copies of one state folder; stop one of them, and enrol it anew',
        wish,
      );
    case 426:
      return new LinkError('TOO_OLD', 'the service wants a newer agent (HTTP 426): update it');
    case 407:
      return new LinkError(
        'PROXY_LOGIN',
        'a proxy on the way wants a login (HTTP 407): name it in service.proxy.url',
      );
    default:
      return new LinkError('NOT_A_SERVICE', `unexpected HTTP ${status}; ${URL_CURE}`, wish);
  }
}

function notAdmitted(answer: string, code: string): LinkError {
  const passing = PASSING[code];
  if (passing !== undefined) return new LinkError('NOT_ADMITTED', `${passing} (${answer})`);
  if (code === 'AGENT_DISABLED') {
    return new LinkError(
      'DISABLED',
      `an admin has disabled this agent (${answer}); ${UNTIL_ENABLED}`,
    );
  }
  return new LinkError(
    'REVOKED',
    `the service does not accept this agent (${answer}): it was revoked, belongs to another service, or its clock is wrong. Compare the clocks, else enrol again`,
  );
}

/** Names both clocks where one of them is the reason. */
function clocks(code: string, serverTime: string | undefined): string {
  if (serverTime === undefined || (code !== 'EXPIRED' && code !== 'NOT_YET_VALID')) return '';
  return `; this machine ${new Date().toISOString()}, the service ${serverTime}`;
}

interface Problem {
  readonly code?: string;
  readonly serverTime?: string;
}

/** What is of use in an RFC 9457 problem, where there is one. */
function problemOf(body: string): Problem {
  const problem = parseJson(body); // or a proxy's page
  if (typeof problem !== 'object' || problem === null) return {};
  const { code, serverTime } = problem as Readonly<Record<string, unknown>>;
  return {
    ...(typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) && { code }),
    ...(Timestamp.safeParse(serverTime).success && { serverTime: serverTime as string }),
  };
}

/** What came of the body in time; whoever answers without an end is not waited for. */
async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timer = setTimeout(() => response.destroy(), BODY_WITHIN_MS);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= MAX_BODY_BYTES) break;
    }
  } catch {
    return ''; // cut off: the status says enough
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_BODY_BYTES);
}

/** RFC 9110 section 10.2.3, seconds only: a date would depend on both clocks. */
function retryAfterMs(header: string | undefined): number {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : 0;
}
