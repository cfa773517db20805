import { SCHEMA } from '../../src/cloud/config/schema.ts';
import { CLOSE_MEANINGS } from '../../src/protocol/asyncapi-texts.ts';
import { factsOf, operationEvents, OUTCOME_CODES } from '../../src/protocol/codes.ts';
import { CLOSE_CODES } from '../../src/protocol/messages.ts';
import { EVENTS } from '../../src/support/events.ts';

/** Every outcome code, for the person who reads one and has to do something. */
export function outcomeCodeTable(): string {
  return markdownTable(
    ['code', 'status', 'retry', 'event', 'meaning', 'what to do'],
    OUTCOME_CODES.map((code) => {
      const { status, retry, event, meaning, action } = factsOf(code);
      const number = code === 'APPLIED' ? appliedEvents() : String(event);
      return [`\`${code}\``, status, retry ?? '–', number, meaning, action];
    }),
  );
}

function appliedEvents(): string {
  const { applied: reset } = operationEvents('reset', 'self');
  const { applied: byAdmin } = operationEvents('reset', 'admin');
  const { applied: change } = operationEvents('change', 'self');
  const { applied: unlock } = operationEvents('unlock', 'self');
  return `${reset} reset, ${byAdmin} by admin, ${change} change, ${unlock} unlock`;
}

/** Every line that either program logs. */
export function eventTable(): string {
  return markdownTable(
    ['event', 'number'],
    Object.entries(EVENTS).map(([name, number]) => [`\`${name}\``, String(number)]),
  );
}

/** Why either side closes the socket. */
export function closeCodeTable(): string {
  const names = Object.keys(CLOSE_CODES) as (keyof typeof CLOSE_CODES)[];
  return markdownTable(
    ['close code', 'meaning'],
    names.map((name) => [String(CLOSE_CODES[name]), CLOSE_MEANINGS[name]]),
  );
}

/** All settings of the reset service. */
export function serviceConfigTable(): string {
  return markdownTable(
    ['setting and environment variable', 'default', 'meaning'],
    settings(SCHEMA).map(({ key, env, default: value, doc }) => [
      `\`${key}\`<br>\`${env}\``,
      value === '' ? 'none' : `\`${String(value)}\``,
      `${doc}.`,
    ]),
  );
}

interface Setting {
  readonly key: string;
  readonly doc: string;
  readonly default: unknown;
  readonly env: string;
}

/** The leaves of a convict schema. */
function settings(schema: object, prefix = ''): Setting[] {
  return Object.entries(schema).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null) return [];
    const key = `${prefix}${name}`;
    return 'default' in value && 'doc' in value && 'env' in value
      ? [{ key, doc: String(value.doc), default: value.default, env: String(value.env) }]
      : settings(value, `${key}.`);
  });
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
