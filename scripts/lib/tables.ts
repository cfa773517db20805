import { meaningOf } from '../../src/agent/link/close-codes.ts';
import { SETTINGS } from '../../src/cloud/config/schema.ts';
import {
  LINK_REFUSALS,
  SERVICE_CODES,
  serviceFactsOf,
  type ServiceCode,
} from '../../src/cloud/writeback/service-codes.ts';
import { CLOSE_MEANINGS } from '../../src/protocol/asyncapi-texts.ts';
import { factsOf, operationEvents, OUTCOME_CODES } from '../../src/protocol/codes.ts';
import { CLOSE_CODES } from '../../src/protocol/messages.ts';
import { EVENTS, type EventName } from '../../src/support/events.ts';
import { EVENT_TEXTS, type EventText, type OutcomeEvent } from './event-texts.ts';

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

/** Every code that the service itself refuses a request with. */
export function serviceCodeTable(): string {
  return markdownTable(
    ['code', 'HTTP', 'retry', 'meaning', 'what to do'],
    Object.keys(SERVICE_CODES).map((code) => {
      const { status, retry, meaning, action } = serviceFactsOf(code as ServiceCode);
      return [`\`${code}\``, String(status), retry, meaning, action];
    }),
  );
}

/** Every code that an agent is turned away with. */
export function linkRefusalTable(): string {
  return markdownTable(
    ['code', 'meaning', 'what to do'],
    Object.entries(LINK_REFUSALS).map(([code, { meaning, action }]) => [
      `\`${code}\``,
      meaning,
      action,
    ]),
  );
}

/** Every line that either program logs. */
export function eventTable(): string {
  return markdownTable(
    ['event', 'number', 'meaning', 'what to do'],
    Object.entries(EVENTS).map(([name, number]) => {
      const { meaning, action } = eventText(name as EventName);
      return [`\`${name}\``, String(number), meaning, action];
    }),
  );
}

/** What a line of the log means, and what to do about it. */
export function eventText(name: EventName): EventText {
  if (!isOutcome(name)) return EVENT_TEXTS[name];
  const codes = OUTCOME_CODES.filter((code) => factsOf(code).event === EVENTS[name]);
  const listed = codes.map((code) => `\`${code}\``).join(', ');
  return {
    meaning: `${listed}: a second line of the operation that was refused or failed.`,
    action: 'Its `action`; see the code above.',
  };
}

function isOutcome(name: EventName): name is OutcomeEvent {
  return name.startsWith('refusal.');
}

const DIALS_AGAIN = 'dials again, with growing breaks';
const ASKS_RARELY = 'stays up, says so, and asks again every 10 to 15 minutes';

/** What a person has to do about each close code that the service closes with. */
const CLOSE_ACTIONS: Readonly<Record<keyof typeof CLOSE_CODES, string>> = {
  drain: 'Nothing to do.',
  revoked:
    'Nothing to do if that is wished: stop the agent. Else enrol it anew with a token of `passback-cloud token`.',
  superseded:
    'Nothing to do once. If it repeats, stop the machine that runs a copy of the state folder, and enrol it on its own.',
  upgradeRequired:
    'Update the agent, or the service where the message says so; `passback-cloud status` shows the versions.',
  protocolError:
    'Update the older of the two programs. If the versions match, look for `cloud.link_refused` and `cloud.agent_alarm` of that time in the log of the service.',
  wrongJournal:
    'Enrol the agent anew with an empty state folder and revoke the old one; stop the copy if there is one.',
  tooSlow:
    'Nothing to do once. If it repeats, look at the load of the machine of the agent, its disk, and the way to the service.',
  disabled:
    'When the reason is gone, which `passback-cloud status` names: `passback-cloud agent enable`; nothing at the machine.',
};

/** Why either side closes the socket. */
export function closeCodeTable(): string {
  const names = Object.keys(CLOSE_CODES) as (keyof typeof CLOSE_CODES)[];
  return markdownTable(
    ['close code', 'meaning', 'when the service closes with it, the agent', 'what to do'],
    names.map((name) => {
      const code = CLOSE_CODES[name];
      const next = meaningOf(code).refused ? ASKS_RARELY : DIALS_AGAIN;
      return [String(code), CLOSE_MEANINGS[name], next, CLOSE_ACTIONS[name]];
    }),
  );
}

/** All settings of the reset service. */
export function serviceConfigTable(): string {
  return markdownTable(
    ['setting and environment variable', 'default', 'meaning'],
    SETTINGS.map(({ key, env, default: value, doc, expected }) => [
      `\`${key}\`<br>\`${env}\``,
      value === '' ? (key === 'url' ? 'required' : 'none') : `\`${String(value)}\``,
      `${doc}. Expects ${expected}.`,
    ]),
  );
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
