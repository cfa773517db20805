import type { ControllerHealth, StatusReport } from '../../protocol/status.ts';
import { timestamp } from '../../protocol/shapes.ts';
import type { SelfTest } from '../directory/directory.ts';
import { rightsOf, selfTestReasons } from './rights.ts';

/** What a status is derived from; every one a live fact, none a remembered error. */
export interface StatusFacts {
  readonly at: number;
  readonly startedAt: number;
  readonly version: string;
  /** As the last probe found them; undefined before the first one ended. */
  readonly controllers: readonly ControllerHealth[] | undefined;
  readonly journal: StatusReport['journal'];
  /** Why the journal cannot be written or read; undefined while it can. */
  readonly journalProblem: string | undefined;
  readonly toggle: {
    readonly enabled: boolean;
    readonly reason: string;
    readonly until?: string | undefined;
  };
  /** What is ordered at this machine; undefined: nothing. */
  readonly pause:
    | {
        readonly reason: string;
        readonly since: string;
        readonly until?: string | undefined;
      }
    | undefined;
  readonly breaker: {
    readonly open: boolean;
    readonly stoppedActors: number;
    readonly trip?: { readonly at: string; readonly count: number };
  };
  readonly dryRun: boolean;
  /** As it was found last; undefined before the first time. */
  readonly selfTest: SelfTest | undefined;
  /** What is wrong with the clocks of controllers, in words. */
  readonly clocks: readonly string[];
  /** How the agent stands with the service. */
  readonly standing: {
    readonly failures: readonly string[];
    readonly warnings: readonly string[];
  };
  readonly keys: StatusReport['keys'];
  readonly counters: Readonly<Record<string, number>>;
}

const DAY_MS = 86_400_000;
const EXPIRY_WARNING_MS = 30 * DAY_MS;

/** What one reason may say, by the protocol. */
const MAX_REASON_LENGTH = 512;

/**
 * The report for these facts: the writeback state and, where it is not `running`, why. It is whole:
 * `fitReport` cuts what a frame cannot carry.
 */
export function buildReport(facts: StatusFacts): StatusReport {
  const { at, startedAt, version, journal, keys, counters, selfTest } = facts;
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
          : degraded.length + facts.standing.warnings.length > 0
            ? 'degraded'
            : 'running',
    reasons: [...down, ...paused, ...facts.standing.warnings, ...degraded].map(printable),
    controllers: [...(facts.controllers ?? [])],
    journal,
    counters,
    keys,
    ...(selfTest !== undefined && { rights: rightsOf(selfTest) }),
    ...passwordExpiry(selfTest),
    version,
    startedAt: timestamp(startedAt),
  };
}

function passwordExpiry(selfTest: SelfTest | undefined): Pick<StatusReport, 'passwordExpiresAt'> {
  const expiresAt = selfTest?.passwordExpiresAt;
  if (expiresAt === undefined || expiresAt === 'never') return {};
  return { passwordExpiresAt: timestamp(expiresAt) };
}

function downReasons({ controllers, journalProblem, standing }: StatusFacts): string[] {
  const reasons = [...standing.failures];
  if (journalProblem !== undefined) reasons.push(`the journal cannot be used: ${journalProblem}`);
  if (controllers !== undefined && !controllers.some(isUsable)) {
    reasons.push('no domain controller can be used');
  }
  return reasons;
}

/** The local pause first: it holds whatever the service says. */
function pauseReasons({ pause, breaker, toggle }: StatusFacts): string[] {
  const reasons = [];
  if (pause !== undefined) {
    const parts = [
      'paused at the agent',
      `since ${pause.since}`,
      ...(pause.until === undefined ? [] : [`until ${pause.until}`]),
    ];
    reasons.push(`${parts.join(' ')}: ${pause.reason}`);
  }
  if (breaker.open) {
    const { at = '', count = 0 } = breaker.trip ?? {};
    reasons.push(
      `the breaker stopped everything at ${at} after ${count} writes; find out who caused them, then run passback resume --breaker on the agent`,
    );
  }
  if (!toggle.enabled) {
    const end = toggle.until === undefined ? '' : ` until ${toggle.until}`;
    reasons.push(`paused by the service${end}${toggle.reason === '' ? '' : `: ${toggle.reason}`}`);
  }
  return reasons;
}

function degradedReasons(facts: StatusFacts): string[] {
  const { controllers, journal, breaker, dryRun, at } = facts;
  const reasons = dryRun ? ['dry run: nothing is written'] : [];
  if (breaker.stoppedActors > 0) {
    reasons.push(
      `the breaker has stopped ${breaker.stoppedActors} of the callers; the agent's log names them, passback resume --breaker lets them go on`,
    );
  }
  reasons.push(
    ...(controllers?.flatMap((controller) => controllerReasons(controller, at)) ?? [
      'no domain controller has been asked yet',
    ]),
  );
  reasons.push(...facts.clocks);
  if (facts.selfTest !== undefined) reasons.push(...selfTestReasons(facts.selfTest, at));
  if (journal.open > 0) {
    reasons.push(
      `${journal.open} operations ended with the process before their outcome was known`,
    );
  }
  return reasons;
}

function controllerReasons(controller: ControllerHealth, at: number): string[] {
  const { name, problem, certificateExpiresAt } = controller;
  if (!isUsable(controller)) {
    const said = problem ?? 'cannot be used';
    // A failure to connect names the controller and its address itself.
    const isNamed = said.startsWith(`${name}:`) || said.includes(`${name} (`);
    return [isNamed ? said : `${name}: ${said}`];
  }
  if (certificateExpiresAt === undefined) return [];
  const leftMs = Date.parse(certificateExpiresAt) - at;
  if (leftMs > EXPIRY_WARNING_MS) return [];
  return [`${name}: its certificate expires in ${Math.max(0, Math.floor(leftMs / DAY_MS))} days`];
}

export function isUsable({ reachable, bound }: ControllerHealth): boolean {
  return reachable && bound;
}

function printable(reason: string): string {
  return reason.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, MAX_REASON_LENGTH);
}
