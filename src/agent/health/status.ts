import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import { timestamp } from '../../protocol/shapes.ts';

/** What a status is derived from; every one a live fact, none a remembered error. */
export interface StatusFacts {
  readonly at: number;
  readonly startedAt: number;
  readonly version: string;
  /** As the last probe found them; undefined before the first one ended. */
  readonly controllers: readonly ControllerHealth[] | undefined;
  readonly journal: StatusReport['journal'];
  /** Why the journal cannot be written; undefined while it can. */
  readonly journalProblem: string | undefined;
  readonly toggle: { readonly enabled: boolean; readonly reason: string };
  readonly keys: StatusReport['keys'];
  readonly counters: Readonly<Record<string, number>>;
}

const DAY_MS = 86_400_000;
const EXPIRY_WARNING_MS = 30 * DAY_MS;

/** How much reasons may say, by the protocol. */
const MAX_REASONS = 16;
const MAX_REASON_LENGTH = 512;

/** The report for these facts: the writeback state and, where it is not `running`, why. */
export function buildReport(facts: StatusFacts): StatusReport {
  const { at, startedAt, version, journal, keys, counters } = facts;
  const down = downReasons(facts);
  const degraded = degradedReasons(facts);
  const paused = pauseReasons(facts);
  return {
    at: timestamp(at),
    state:
      down.length > 0
        ? 'down'
        : paused.length > 0
          ? 'paused'
          : degraded.length > 0
            ? 'degraded'
            : 'running',
    reasons: [...down, ...paused, ...degraded].slice(0, MAX_REASONS).map(printable),
    controllers: [...(facts.controllers ?? [])],
    journal,
    counters,
    keys,
    version,
    startedAt: timestamp(startedAt),
  };
}

function downReasons({ controllers, journalProblem }: StatusFacts): string[] {
  const reasons = [];
  if (journalProblem !== undefined)
    reasons.push(`the journal cannot be written: ${journalProblem}`);
  if (controllers !== undefined && !controllers.some(isUsable)) {
    reasons.push('no domain controller can be used');
  }
  return reasons;
}

function pauseReasons({ toggle: { enabled, reason } }: StatusFacts): string[] {
  if (enabled) return [];
  return [`paused by the service${reason === '' ? '' : `: ${reason}`}`];
}

function degradedReasons({ controllers, journal, at }: StatusFacts): string[] {
  const reasons = controllers?.flatMap((controller) => controllerReasons(controller, at)) ?? [
    'no domain controller has been asked yet',
  ];
  if (journal.open > 0) {
    reasons.push(
      `${journal.open} operations ended with the process before their outcome was known`,
    );
  }
  return reasons;
}

function controllerReasons(controller: ControllerHealth, at: number): string[] {
  const { name, problem, certificateExpiresAt } = controller;
  if (!isUsable(controller)) return [`${name}: ${problem ?? 'cannot be used'}`];
  if (certificateExpiresAt === undefined) return [];
  const leftMs = Date.parse(certificateExpiresAt) - at;
  if (leftMs > EXPIRY_WARNING_MS) return [];
  return [`${name}: its certificate expires in ${Math.max(0, Math.floor(leftMs / DAY_MS))} days`];
}

function isUsable({ reachable, bound }: ControllerHealth): boolean {
  return reachable && bound;
}

function printable(reason: string): string {
  return reason.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, MAX_REASON_LENGTH);
}
