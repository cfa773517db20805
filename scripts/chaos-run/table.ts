import type { Evidence } from './evidence.ts';
import type { CommandHistory } from './history.ts';
import { isUnknown, mayBeMistaken, mayBeOvertaken, nameOf } from './judge.ts';

/** What a run was and what came of it: a row for each fact, a column for each run. */
export function chaosTable(runs: readonly Evidence[]): string {
  const columns = runs.map(factsOf);
  const names = Object.keys(columns[0] ?? {});
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const head = ['', ...runs.map(titleOf)];
  return [
    line(head),
    line(head.map(() => '---')),
    ...names.map((name) => line([name, ...columns.map((column) => column[name] ?? '')])),
  ].join('\n');
}

function titleOf({ controllers, agents, plan }: Evidence): string {
  const plural = (count: number, noun: string): string =>
    `${count} ${noun}${count === 1 ? '' : 's'}`;
  return [
    plural(controllers.length, 'controller'),
    plural(agents.length, 'agent'),
    plural(plan.options.nodes, 'node'),
  ].join(', ');
}

function factsOf(evidence: Evidence): Record<string, string> {
  const { plan, inflicted, histories, writes, accounts, agents, seconds } = evidence;
  const faults = (kind: string): string =>
    String(plan.faults.filter((fault) => fault.kind === kind).length);
  const count = (test: (history: CommandHistory) => boolean): string =>
    String(histories.filter(test).length);
  const status = (...wanted: string[]): string =>
    count(({ view }) => view !== undefined && wanted.includes(view.status));
  const times = histories
    .flatMap(({ submittedAt, view }) =>
      // The service's own word: a caller that asks seldom hears of it later.
      submittedAt === undefined || view?.finishedAt === undefined
        ? []
        : [Date.parse(view.finishedAt) - submittedAt],
    )
    .sort((a, b) => a - b);
  const writtenBy = (by: string): string =>
    String(writes.filter((write) => write.by === by).length);
  const resets = count(({ command, view }) => command.op === 'reset' && view?.status === 'applied');
  return {
    'commands, accounts, seed': `${histories.length}, ${accounts.length}, ${plan.options.seed}`,
    'kills with -9 (of the service)': `${inflicted.kills} (${inflicted.serviceKills})`,
    'connections cut; stalled or slowed': `${inflicted.cuts}; ${inflicted.stalls}`,
    'controller stopped; frozen': `${faults('stop')}; ${faults('freeze')}`,
    'resets by somebody else in the middle': writtenBy('rival'),
    'applied (inferred, reapplied)': `${status('applied')} (${[
      count(({ view }) => view?.status === 'applied' && view.outcome?.inferred === true),
      count(({ view }) => view?.status === 'applied' && view.outcome?.reapplied === true),
    ].join(', ')})`,
    'refused or failed; never handed to an agent': `${status('refused', 'failed')}; ${count(
      ({ view, refusal }) =>
        view?.status === 'expired' || (view === undefined && refusal !== undefined),
    )}`,
    unknown: count((history) => isUnknown(history) || history.view?.status === 'unknown'),
    'passwords written; resets reported applied': `${writtenBy('service account')}; ${resets}`,
    'writes without a log line: proven by the database; undecided': `${evidence.provenByDatabase}; ${evidence.undecided.length}`,
    'pieces of the audit logs that cannot be read': String(evidence.unreadable.length),
    'somebody else wrote, too: superseded; inferred': [mayBeOvertaken, mayBeMistaken]
      .map((test) => count((history) => test(evidence, history)))
      .join('; '),
    'last passwords that a logon proved': String(
      accounts.filter(({ logsOnWith }) => logsOnWith >= 0).length,
    ),
    'outcomes in the trails': String(agents.reduce((sum, { outcomes }) => sum + outcomes, 0)),
    'submit to outcome, median; longest': `${inSeconds(times[Math.floor(times.length / 2)])}; ${inSeconds(times.at(-1))}`,
    duration: `${Math.round(seconds)} s`,
  };
}

function inSeconds(ms = NaN): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** What is known of each operation that nobody can say the outcome of. */
export function unknownStories({ histories, dispatches, writes }: Evidence): string[] {
  return histories
    .filter((history) => isUnknown(history) || history.view?.status === 'unknown')
    .map((history) => {
      const { sam } = history.command;
      const handed = (dispatches.get(history.operation ?? '') ?? []).map(
        ({ at, agent, controller, lostAt, answeredAt, code }) => {
          const end = answeredAt ?? lostAt;
          const said = code ?? (lostAt === undefined ? 'open' : 'lost');
          return `to ${agent.slice(0, 8)} (${controller ?? 'not begun'}) ${said} after ${end === undefined ? '?' : end - at} ms`;
        },
      );
      const from = history.submittedAt ?? 0;
      const until = (history.endedAt ?? Infinity) + 30_000;
      const written = writes.filter(
        ({ sam: whose, at, by }) =>
          whose === sam && by === 'service account' && at >= from && at <= until,
      ).length;
      return `${nameOf(history)}: handed ${handed.join(', ')}; ${written} writes in its time`;
    });
}
