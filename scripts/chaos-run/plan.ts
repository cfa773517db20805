import type { Direction, Fault } from '../../test/support/fault-proxy.ts';
import { Random } from './random.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly commands: number;
  readonly kills: number;
  readonly cuts: number;
  /** How often a controller is stopped; half as often one is frozen. */
  readonly stops: number;
  readonly controllers: 1 | 2;
  readonly agents: 1 | 2;
  /** Of the service, on one database. */
  readonly nodes: 1 | 2;
  /** The logon names there are to work on. */
  readonly accounts: readonly string[];
}

/** One operation that a caller asks for. */
export interface PlannedCommand {
  readonly number: number;
  readonly sam: string;
  readonly op: 'reset' | 'unlock';
  /** Empty for an unlock. */
  readonly password: string;
  readonly unlock: boolean;
  readonly mustChange: boolean;
  /** The account is locked by wrong passwords before it is asked for. */
  readonly lockFirst: boolean;
  readonly rival?: PlannedRival;
}

/** Somebody else who resets the same account in the middle. */
export interface PlannedRival {
  /** Between prepare and submit, or so many milliseconds after the submit. */
  readonly when: 'before-submit' | number;
  readonly controller: number;
  readonly password: string;
}

/** Between which two something breaks: agents and service, callers and service, agents and controllers. */
export type Place = 'link' | 'api' | `ldaps-${number}`;

export type PlannedEvent =
  | { readonly kind: 'kill'; readonly victim: `service-${number}` | `agent-${number}` }
  | {
      readonly kind: 'cut' | 'stall';
      readonly place: Place;
      readonly fault: Fault;
      /** Which of the connections that are open, see `FaultProxy.inflict`. */
      readonly pick: number;
    }
  | {
      readonly kind: 'stop' | 'freeze';
      readonly controller: number;
      /** How long the controller stays away. */
      readonly ms: number;
    };

/** Something that breaks, `delayMs` after more than `after` commands have ended. */
export type PlannedFault = PlannedEvent & { readonly after: number; readonly delayMs: number };

export interface ChaosPlan {
  readonly options: ChaosOptions;
  readonly commands: readonly PlannedCommand[];
  readonly faults: readonly PlannedFault[];
}

const RIVAL_SHARE = 0.08;
/** Asked for together with the command before it, for the same account. */
const TWIN_SHARE = 0.03;

/**
 * What a run does: a pure function of its options. Faults hang on the progress of the commands and
 * not on the time, so that a slow machine gets as many of them per command as a fast one.
 */
export function makePlan(options: ChaosOptions): ChaosPlan {
  const commands = planCommands(options, new Random(options.seed));
  return { options, commands, faults: planFaults(options, new Random(options.seed + 1)) };
}

function planCommands(options: ChaosOptions, random: Random): PlannedCommand[] {
  const commands: PlannedCommand[] = [];
  let round: string[] = [];
  for (let number = 0; number < options.commands; number++) {
    if (round.length === 0) round = random.shuffled(options.accounts);
    const before = commands.at(-1)?.sam;
    const twin = before !== undefined && random.chance(TWIN_SHARE);
    const sam = twin ? before : round.pop();
    if (sam === undefined) throw new RangeError('a plan needs accounts');
    commands.push(planCommand(number, sam, options, random));
  }
  return commands;
}

function planCommand(
  number: number,
  sam: string,
  options: ChaosOptions,
  random: Random,
): PlannedCommand {
  // Drawn whether needed or not, so that one decision does not shift all that follow.
  const [isUnlock, mustChange, keepsLock, locked] = [0.2, 0.12, 0.1, 0.06].map((share) =>
    random.chance(share),
  );
  const rival = planRival(number, options, random);
  const password = passwordOf(number, 'Storm', random);
  if (isUnlock === true) {
    const fixed = { password: '', unlock: true, mustChange: false, lockFirst: true };
    return { number, sam, op: 'unlock', ...fixed };
  }
  return {
    number,
    sam,
    op: 'reset',
    password,
    unlock: locked === true || keepsLock !== true,
    mustChange: mustChange === true,
    lockFirst: locked === true,
    ...(rival !== undefined && { rival }),
  };
}

function planRival(
  number: number,
  { controllers }: ChaosOptions,
  random: Random,
): PlannedRival | undefined {
  const comes = random.chance(RIVAL_SHARE);
  const when = random.chance(0.5) ? 'before-submit' : random.between(0, 600);
  const controller = random.between(0, controllers);
  const password = passwordOf(number, 'Rival', random);
  return comes ? { when, controller, password } : undefined;
}

/** Unlike every other one of the run, good for any policy of the lab, and in nobody's name. */
function passwordOf(number: number, word: string, random: Random): string {
  return `${word}-${number}-${random.between(0, 2 ** 32).toString(36)}-Zq7`;
}

function planFaults(options: ChaosOptions, random: Random): PlannedFault[] {
  const times = (count: number, plan: () => PlannedEvent): PlannedEvent[] =>
    Array.from({ length: count }, plan);
  const events = [
    ...times(options.kills, () => planKill(options, random)),
    ...times(options.cuts, () => planCut(options, random)),
    ...times(Math.ceil(options.cuts / 6), () => planStall(options, random)),
    ...times(options.stops, () => planOutage('stop', options, random)),
    ...times(Math.floor(options.stops / 2), () => planOutage('freeze', options, random)),
  ];
  return events
    .map((event) => ({
      ...event,
      after: random.between(0, options.commands),
      delayMs: random.between(0, 1_500),
    }))
    .sort((a, b) => a.after - b.after || a.delayMs - b.delayMs);
}

type Kill = Extract<PlannedEvent, { kind: 'kill' }>;

function planKill({ agents, nodes }: ChaosOptions, random: Random): Kill {
  const agent = random.between(0, agents);
  const victim = random.weighted<Kill['victim']>([
    ...Array.from({ length: nodes }, (_, node) => [`service-${node}`, 0.35] as const),
    [`agent-${agent}`, 0.65],
  ]);
  return { kind: 'kill', victim };
}

function planCut(options: ChaosOptions, random: Random): PlannedEvent {
  const direction = directionOf(random);
  const bytes = random.between(0, 3_000);
  const fault = random.weighted<Fault>([
    [{ kind: 'cut' }, 4],
    [{ kind: 'cut-after', direction, bytes }, 5],
    [{ kind: 'half-close', direction }, 1],
  ]);
  return { kind: 'cut', place: placeOf(options, random), fault, pick: random.next() };
}

function planStall(options: ChaosOptions, random: Random): PlannedEvent {
  const direction = directionOf(random);
  const ms = random.between(200, 12_000);
  const late = { ms: random.between(20, 1_500), forMs: random.between(1_000, 8_000) };
  const fault = random.weighted<Fault>([
    [{ kind: 'stall', direction, ms }, 3],
    [{ kind: 'delay', direction, ...late }, 1],
  ]);
  return { kind: 'stall', place: placeOf(options, random), fault, pick: random.next() };
}

function planOutage(
  kind: 'stop' | 'freeze',
  { controllers }: ChaosOptions,
  random: Random,
): PlannedEvent {
  return { kind, controller: random.between(0, controllers), ms: random.between(200, 9_000) };
}

function directionOf(random: Random): Direction {
  return random.chance(0.5) ? 'up' : 'down';
}

function placeOf({ controllers }: ChaosOptions, random: Random): Place {
  const controller = random.between(0, controllers);
  return random.weighted<Place>([
    ['link', 3],
    ['api', 3],
    [`ldaps-${controller}`, 4],
  ]);
}
