import type { Clock } from '../../src/support/clock.ts';
import { systemClock } from '../../src/support/clock.ts';
import type { PostgresPlace } from '../../src/cloud/store/postgres-place.ts';
import type { Lab } from '../../test/lab/lab.ts';
import { askUntilFinal, carryOut, type CallerOptions } from './caller.ts';
import type { Evidence } from './evidence.ts';
import { Faults } from './faults.ts';
import {
  gatherAccounts,
  gatherAgent,
  gatherStatus,
  gatherStore,
  gatherWrites,
  lackingNow,
} from './gather.ts';
import type { CommandHistory } from './history.ts';
import { lockAccount, rivalResets } from './neighbours.ts';
import { pause } from './pause.ts';
import type { ChaosPlan } from './plan.ts';
import { World } from './world.ts';

export interface RunOptions {
  readonly lab: Lab;
  /** Where configuration, state and logs go; has to exist and be private. */
  readonly folder: string;
  /** An empty one, for the nodes of the service; without, there is one node with its SQLite file. */
  readonly database?: PostgresPlace | undefined;
  readonly progress: (line: string) => void;
}

/** Commands under way at the same time. */
const CALLERS = 20;
/**
 * A caller that waits longer than this for one outcome lets the next command begin meanwhile; while there
 * is no operation yet it does not, so that a service that can do nothing just now gets no more to do.
 */
const LANE_MS = 60_000;
/** An operation that nobody asks about again is settled once its five minutes are over. */
const RETURN_WITHIN_MS = 7 * 60_000;
const POLL_MS = 500;
const TRAIL_WITHIN_MS = 150_000;
const PROGRESS_EVERY = 50;

/** Carries a plan out on a directory that nobody else uses, and gathers what it left everywhere. */
export async function runChaos(plan: ChaosPlan, options: RunOptions): Promise<Evidence> {
  const { lab, folder, database, progress } = options;
  const clock = systemClock;
  await lab.reset();
  const before = await lab.passwordStates();
  const began = clock.monotonic();
  const { agents, nodes } = plan.options;
  const world = await World.open({ lab, folder, agents, nodes, database });
  try {
    progress('Service and agents are up');
    const histories = await load(plan, { world, lab, clock, progress });
    progress('Waiting for every agent to be back');
    const status = await untilEverybodyIsBack(world, clock);
    await hearTheRest(histories, world, clock);
    await untilTrailsAreWhole(world, clock);
    const seconds = (clock.monotonic() - began) / 1000;
    await world[Symbol.asyncDispose]();
    progress('Asking the directory what it knows');
    if (lab.controllers.length > 1) await lab.replicate();
    return {
      plan,
      controllers: lab.controllers.map(({ name }) => name),
      histories,
      ...(await gatherWrites(lab)),
      inflicted: world.inflicted,
      accounts: await gatherAccounts(lab, histories, before),
      agents: await Promise.all(world.agents.map((agent) => gatherAgent(agent, status))),
      ...(await gatherStore(world.stack.cloudData, histories)),
      surprises: world.surprises,
      seconds,
    };
  } finally {
    await world[Symbol.asyncDispose]();
  }
}

/** What was lost with a link is asked for once a minute; what is still lacking then, the judge tells. */
async function untilTrailsAreWhole({ stack }: World, clock: Clock): Promise<void> {
  const until = clock.monotonic() + TRAIL_WITHIN_MS;
  while (clock.monotonic() < until && (await lackingNow(stack.cloudData)).length > 0) {
    await pause(clock, POLL_MS);
  }
}

interface Loading {
  readonly world: World;
  readonly lab: Lab;
  readonly clock: Clock;
  readonly progress: (line: string) => void;
}

/** Starts command after command, as many at once as there are callers; resolves when all have ended. */
async function load(
  plan: ChaosPlan,
  { world, lab, clock, progress }: Loading,
): Promise<CommandHistory[]> {
  const faults = new Faults(plan.faults, { world, lab, clock });
  const options: CallerOptions = {
    api: world.api,
    clock,
    objectGuid: (sam) => lab.person(sam).objectGuid,
    lock: (sam) => lockAccount(sam, { lab, clock }),
    rival: (history, rival) => rivalResets(history, rival, { lab, clock }),
  };
  const histories: CommandHistory[] = [];
  const underWay: Promise<void>[] = [];
  const queue = [...plan.commands];
  let ended = 0;
  const lane = async (): Promise<void> => {
    for (let command = queue.shift(); command !== undefined; command = queue.shift()) {
      const history: CommandHistory = { command, startedAt: clock.now(), requests: 0 };
      histories.push(history);
      if (histories.length % PROGRESS_EVERY === 0) progress(`${histories.length} commands started`);
      const done = carryOut(history, options).finally(() => {
        faults.commandsEnded(++ended);
      });
      underWay.push(done);
      do await atMost(done, LANE_MS, clock);
      while (history.operation === undefined && history.refusal === undefined);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, lane));
  await Promise.all(underWay);
  await faults.settled();
  return histories;
}

async function atMost(work: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const over = new AbortController();
  await Promise.race([work, clock.sleep(ms, over.signal)]);
  over.abort();
}

/** Asks for what nobody could say in its time: with everybody back, it can be found out. */
async function hearTheRest(
  histories: readonly CommandHistory[],
  { api }: World,
  clock: Clock,
): Promise<void> {
  const until = clock.now() + RETURN_WITHIN_MS;
  const open = histories.filter(({ view }) => view?.final === false);
  await Promise.all(
    open.map(async (history) => {
      await askUntilFinal(history, until, { api, clock });
      history.endedAt = clock.now();
    }),
  );
}

/** What the service says of its agents, once all are well, or when that has taken too long. */
async function untilEverybodyIsBack(world: World, clock: Clock): ReturnType<typeof gatherStatus> {
  const until = clock.monotonic() + RETURN_WITHIN_MS;
  for (;;) {
    const status = await gatherStatus(world.admin);
    const well = status?.agents.every(
      ({ connected, report }) => connected && report?.state === 'running',
    );
    if (well === true || clock.monotonic() > until) return status;
    await pause(clock, POLL_MS);
  }
}
