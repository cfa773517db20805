import { factsOf, operationEvents, type By, type Operation } from '../../protocol/codes.ts';
import type { Outcome } from '../../protocol/outcome.ts';
import { EVENTS, type EventName } from '../../support/events.ts';
import type { Fields, Logger } from '../../support/logger.ts';

const NAMES = new Map<number, EventName>(
  Object.entries(EVENTS).map(([name, number]) => [number, name as EventName]),
);

/** The line that says an operation begins, under its own number. */
export function logStart(log: Logger, op: Operation, by: By, fields: Fields): void {
  log.info(nameOf(operationEvents(op, by).started), fields);
}

/** One line for what became of an operation; a second with the code's own number when it was not applied. */
export function logOutcome(
  log: Logger,
  { op, by }: { readonly op: Operation; readonly by: By },
  outcome: Outcome,
  fields: Fields,
): void {
  const { applied, failed } = operationEvents(op, by);
  const { code, tookMs, controller } = outcome;
  const facts = { ...fields, code, tookMs, controller };
  if (outcome.status === 'applied') {
    log.info(nameOf(applied), facts);
    return;
  }
  log[levelOf(outcome)](nameOf(failed), facts);
  logRefusal(log, outcome, fields);
}

/** The line that carries the number of an outcome code. */
export function logRefusal(log: Logger, outcome: Outcome, fields: Fields): void {
  const { code, controller, rules, message } = outcome;
  const { event, action, meaning } = factsOf(code);
  log[levelOf(outcome)](nameOf(event), {
    ...fields,
    code,
    controller,
    detail: message === meaning ? undefined : message,
    rules: rules?.map(({ rule }) => rule),
    action: outcome.action ?? action,
  });
}

/** A person's own mistake is everyday; what an admin must see to is not. */
function levelOf({ status, retry }: Outcome): 'info' | 'warn' | 'error' {
  if (status === 'unknown' || (status === 'failed' && retry === 'admin')) return 'error';
  return retry === 'user' ? 'info' : 'warn';
}

function nameOf(number: number): EventName {
  const name = NAMES.get(number);
  if (name === undefined) throw new TypeError(`event ${number} has no name`);
  return name;
}
