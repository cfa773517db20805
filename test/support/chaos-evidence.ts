import type { Evidence, Write } from '../../scripts/chaos-run/evidence.ts';
import type { CommandHistory, View } from '../../scripts/chaos-run/history.ts';
import { makePlan } from '../../scripts/chaos-run/plan.ts';

const PLAN = makePlan({
  seed: 1,
  commands: 1,
  kills: 0,
  cuts: 0,
  stops: 0,
  controllers: 1,
  agents: 1,
  nodes: 1,
  accounts: ['anna'],
});

type Told = Pick<View, 'status'> & Partial<View>;

/** A reset of anna's that was prepared at 100, handed in at 110 and ended at 200. */
export function reset(told: Told, changes: Partial<CommandHistory> = {}): CommandHistory {
  return {
    command: {
      number: 0,
      sam: 'anna',
      op: 'reset',
      password: 'one',
      unlock: true,
      mustChange: false,
      lockFirst: false,
    },
    startedAt: 90,
    preparedAt: 100,
    operation: 'op-1',
    submittedAt: 110,
    endedAt: 200,
    view: { final: true, ...told } as View, // what the judge reads of it
    requests: 2,
    ...changes,
  };
}

/** The outcome that an agent gave, as far as the judge reads it. */
export function outcome(facts: object): Partial<View> {
  return { outcome: { controller: 'DC1.corp.test', ...facts } as View['outcome'] };
}

/** A write of anna's password. */
export function written(at = 150, changes: Partial<Write> = {}): Write {
  return { sam: 'anna', by: 'service account', at, controller: 0, ...changes };
}

/** One reset that was applied once, and nothing else. */
export function evidence(changes: Partial<Evidence> = {}): Evidence {
  const anna = { sam: 'anna', versionBefore: 3, versionAfter: 4, locked: false, logsOnWith: 0 };
  return {
    plan: PLAN,
    controllers: ['DC1.corp.test'],
    histories: [reset({ status: 'applied' })],
    writes: [written()],
    provenByDatabase: 0,
    undecided: [],
    unreadable: [],
    inflicted: { kills: 0, serviceKills: 0, cuts: 0, stalls: 0 },
    accounts: [anna],
    agents: [{ name: 'a', connected: true, state: 'running', brokenLinks: [], outcomes: 1 }],
    dispatches: new Map([['op-1', [{ at: 120 } as never]]]),
    lacking: [],
    alarms: [],
    surprises: [],
    seconds: 1,
    ...changes,
  };
}
