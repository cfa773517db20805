import { ROUNDS } from '../rounds.ts';
import { EVENTS, type EventName } from '../events.ts';
import { parseJson } from '../parse-json.ts';

/** What else may stand in a line besides what has a shape of its own. */
export interface LogAllowance {
  /** Codes that `code` may have. */
  readonly codes: ReadonlySet<string>;
  /** Whether it is a host name, or an address, that the configuration knows. */
  readonly isKnownPlace: (text: string) => boolean;
  /** Also names of accounts, and sentences, which may hold some. */
  readonly withAccounts: boolean;
}

export interface RedactedLog {
  /** One JSON object each, in their order. */
  readonly lines: readonly string[];
  /** Lines that are none of ours. */
  readonly dropped: number;
}

/** The last lines of a log with nothing in them but known fields of known events. */
export function redactLog(
  lines: readonly string[],
  count: number,
  allowance: LogAllowance,
): RedactedLog {
  const written = lines.filter((line) => line.trim() !== '').slice(-count);
  const kept = written.flatMap((line) => redactLine(line, allowance) ?? []);
  return { lines: kept, dropped: written.length - kept.length };
}

function redactLine(line: string, allowance: LogAllowance): string | undefined {
  const parsed = parseJson(line);
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { time, level, event, ...fields } = parsed as Readonly<Record<string, unknown>>;
  if (!isTime(time) || !isOneOf(LEVELS)(level) || !isEvent(event)) return undefined;
  const kept: Record<string, unknown> = { time, level, event, eventId: EVENTS[event] };
  const omitted: string[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (isAllowed(name, value, allowance)) kept[name] = value;
    else if (TEXTS.has(name)) omitted.push(name);
  }
  return JSON.stringify(omitted.length === 0 ? kept : { ...kept, omitted });
}

function isAllowed(name: string, value: unknown, allowance: LogAllowance): boolean {
  if (TEXTS.has(name)) return allowance.withAccounts && isText(value);
  return SHAPES.get(name)?.(value, allowance) ?? false;
}

type Shape = (value: unknown, allowance: LogAllowance) => boolean;

/** Sentences, and names of accounts: for `withAccounts` only. */
const TEXTS: ReadonlySet<string> = new Set([
  ...['reason', 'reasons', 'problem', 'error', 'detail', 'action', 'diagnostic', 'where'],
  ...['account', 'actor', 'user', 'issuer', 'by', 'name', 'remote', 'path', 'at', 'message'],
]);

const LEVELS = ['error', 'warn', 'info', 'debug'];
const isNumber: Shape = (value) => typeof value === 'number' && Number.isFinite(value);
const isFlag: Shape = (value) => typeof value === 'boolean';
const isUuid: Shape = (value) =>
  typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
const isPlace: Shape = (value, { isKnownPlace }) =>
  typeof value === 'string' && value.split(' ').every(isKnownPlace);
const isCode: Shape = (value, { codes }) =>
  isNumber(value, NOBODY) || (typeof value === 'string' && codes.has(value));
const isRules: Shape = (value) =>
  Array.isArray(value) &&
  value.every(isOneOf(['length', 'complexity', 'history', 'minimum-age', 'filter', 'other']));
/** The sentences of the programs' watchdogs: they have nothing of their own but a state of the link and a number. */
const STUCK_AGENT =
  /^(?:the event loop has not turned|no probe of the domain controllers has ended|the link is (?:idle|dialing|greeting|ready|waiting|rejected|draining|closed) and has not moved|a command has been worked on) for \d{1,9} s$/;
const STUCK_SERVICE = new RegExp(
  `^(?:${Object.keys(ROUNDS).join('|')}) has not come round for \\d{1,9} s$`,
);
const isStuck: Shape = (value) =>
  Array.isArray(value) &&
  value.every(
    (one) => typeof one === 'string' && (STUCK_AGENT.test(one) || STUCK_SERVICE.test(one)),
  );

const NOBODY: LogAllowance = { codes: new Set(), isKnownPlace: () => false, withAccounts: false };

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP'];
/** What the service control manager of Windows stops a service with. */
const STOP_CONTROLS = ['STOP', 'SHUTDOWN', 'PRESHUTDOWN'];

const NUMBERS = [
  ...['tookMs', 'upMs', 'failures', 'nextTryMs', 'drainMs', 'before', 'after', 'count', 'cutBytes'],
  ...['holdMs', 'from', 'to', 'version', 'number', 'kept', 'listed', 'status', 'dropped'],
];

/** Every field that may stand as it is, with the one shape that its value may have. */
const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ...NUMBERS.map((name): [string, Shape] => [name, isNumber]),
  ...['enabled', 'approved'].map((name): [string, Shape] => [name, isFlag]),
  ...['agent', 'session', 'cmd', 'requestId', 'node', 'trip'].map((name): [string, Shape] => [
    name,
    isUuid,
  ]),
  ...['controller', 'controllers', 'pdc', 'url', 'directory'].map((name): [string, Shape] => [
    name,
    isPlace,
  ]),
  ...['since', 'until'].map((name): [string, Shape] => [name, isTime]),
  ['code', isCode],
  ['rules', isRules],
  ['op', isOneOf(['reset', 'change', 'unlock'])],
  ['state', isOneOf(['running', 'paused', 'degraded', 'down'])],
  ['signal', isOneOf([...SIGNALS, ...STOP_CONTROLS])],
  ['stuck', isStuck],
]);

function isOneOf(words: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && words.includes(value);
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(value);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || (Array.isArray(value) && value.every(isText));
}

function isEvent(value: unknown): value is EventName {
  return typeof value === 'string' && Object.hasOwn(EVENTS, value);
}
