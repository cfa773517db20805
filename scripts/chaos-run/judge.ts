import { REPLICATION_MS } from './candidates.ts';
import type { Evidence, Write } from './evidence.ts';
import type { CommandHistory } from './history.ts';

/** A promise that broke, in words that say where to look. */
export interface Broken {
  readonly promise: string;
  readonly what: string;
}

/** A write that was handed over may begin and end this much later: to begin, to write, to be looked after. */
const WRITE_HORIZON_MS = 60_000;
const SECOND_MS = 1_000;
/** Of two clocks on one machine. */
const CLOCKS_MS = 5;

type Rule = (evidence: Evidence) => readonly string[];

const PROMISES: readonly (readonly [string, Rule])[] = [
  ['every command has an outcome', everyCommandEnds],
  ['writes = resets reported applied + reapplied', writesAreReported],
  ['version counters agree with the audit logs', versionsAgree],
  ['the audit logs are whole', ({ unreadable }) => unreadable],
  ['the last applied password logs on', passwordsWork],
  ['what was unlocked is unlocked', unlocksHold],
  ["somebody else's change is never overwritten", rivalsStand],
  ['every agent returns and is running', agentsReturn],
  ["every agent's trail of outcomes is without a gap", trailsHold],
  ['the service has every outcome of the trails', ({ lacking }) => lacking],
  ['the service has nothing to be alarmed about', ({ alarms }) => alarms],
  ['no process ends by itself', ({ surprises }) => surprises],
];

/** Every promise that the evidence shows broken; none when all were kept. */
export function judge(evidence: Evidence): readonly Broken[] {
  return PROMISES.flatMap(([promise, rule]) => rule(evidence).map((what) => ({ promise, what })));
}

/** The names of all promises that are held against a run. */
export const PROMISE_NAMES: readonly string[] = PROMISES.map(([name]) => name);

/** Whether nobody can say whether this reset was written. */
export function isUnknown({ operation, submittedAt, view, refusal }: CommandHistory): boolean {
  if (operation === undefined || submittedAt === undefined) return false;
  if (view === undefined) return refusal === undefined || refusal.startsWith('gave up');
  return !view.final || view.status === 'unknown';
}

function everyCommandEnds({ histories }: Evidence): string[] {
  return histories
    .filter(({ view, refusal }) =>
      view === undefined
        ? refusal === undefined || refusal.startsWith('gave up')
        : view.status === 'pending' || view.status === 'prepared',
    )
    .map(
      (history) => `${nameOf(history)}: ${history.view?.status ?? history.refusal ?? 'no answer'}`,
    );
}

function writesAreReported(evidence: Evidence): string[] {
  return evidence.accounts.flatMap(({ sam }) => {
    const resets = resetsOf(evidence, sam);
    const applied = resets.filter(({ view }) => view?.status === 'applied');
    const twice = applied.filter(({ view }) => view?.outcome?.reapplied === true).length;
    const unknown = resets.filter(isUnknown).length;
    const overtaken = resets.filter((history) => mayBeOvertaken(evidence, history)).length;
    const mistaken = applied.filter((history) => mayBeMistaken(evidence, history)).length;
    const written = ownWrites(evidence, sam);
    // Written again without knowing whether the first one arrived: one write, or two.
    const most = applied.length + twice + unknown + overtaken;
    if (written.most >= applied.length - mistaken && written.least <= most) return [];
    const told = `${applied.length} applied, ${twice} reapplied, ${unknown} unknown`;
    const counted = [...new Set([written.least, written.most])].join(' to ');
    return [`${sam}: ${counted} writes, ${told} (${resets.map(nameOf).join('; ')})`];
  });
}

/**
 * How often the agents have written an account's password: as often as the logs say, and of what a
 * kill has left undecided in them as much as the version counter shows. Nothing else is made up for.
 */
function ownWrites(
  evidence: Evidence,
  sam: string,
): { readonly least: number; readonly most: number } {
  const logged = writesOf(evidence.writes, sam, 'service account').length;
  const undecided = writesOf(evidence.undecided, sam, 'service account').length;
  const moved = movedBy(evidence, sam);
  if (moved === undefined) return { least: logged, most: logged + undecided };
  const missing = Math.max(0, moved - evidence.writes.filter((write) => write.sam === sam).length);
  const rivals = writesOf(evidence.undecided, sam, 'rival').length;
  return {
    least: logged + Math.min(undecided, Math.max(0, missing - rivals)),
    most: logged + Math.min(undecided, missing),
  };
}

/** Undefined where the counter proves nothing: two controllers that both write before they replicate end at one number. */
function movedBy(evidence: Evidence, sam: string): number | undefined {
  const account = evidence.accounts.find((candidate) => candidate.sam === sam);
  const writes = [...evidence.writes, ...evidence.undecided].filter((write) => write.sam === sam);
  if (account === undefined || new Set(writes.map(({ controller }) => controller)).size > 1) {
    return undefined;
  }
  return account.versionAfter - account.versionBefore;
}

/**
 * Whether an outcome that was inferred may be somebody else's write: of two resets in the same
 * seconds on one controller, one of them unheard, nothing in the directory tells which one it was.
 */
export function mayBeMistaken(evidence: Evidence, history: CommandHistory): boolean {
  if (history.view?.outcome?.inferred !== true) return false;
  const handed = evidence.dispatches.get(history.operation ?? '') ?? [];
  return evidence.writes.some(
    ({ sam, by, at }) =>
      sam === history.command.sam &&
      by === 'rival' &&
      // The directory has the second of a change, and an agent's window is about its own write.
      handed.some((one) => at >= one.at - SECOND_MS && at <= one.at + WRITE_HORIZON_MS),
  );
}

/**
 * Whether a reset that is called superseded may have been written first: its answer was lost, and
 * somebody else wrote before anybody could look, or just before on another controller.
 */
export function mayBeOvertaken(evidence: Evidence, history: CommandHistory): boolean {
  if (history.view?.code !== 'SUPERSEDED') return false;
  return rivalWroteMeanwhile(evidence, history) || rivalWroteElsewhere(evidence, history);
}

/** Of two writes that know nothing of each other, replication keeps one (MS-ADTS 3.1.1.1.9). */
function rivalWroteElsewhere({ writes }: Evidence, history: CommandHistory): boolean {
  const { command, preparedAt = 0, endedAt = Infinity } = history;
  const those = writes.filter(
    ({ sam, at }) => sam === command.sam && at >= preparedAt && at <= endedAt,
  );
  return those.some(
    (rival) =>
      rival.by === 'rival' &&
      those.some(({ by, controller }) => by !== 'rival' && controller !== rival.controller),
  );
}

function rivalWroteMeanwhile({ writes }: Evidence, history: CommandHistory): boolean {
  const { command, submittedAt = 0, endedAt = Infinity } = history;
  return writes.some(
    ({ sam, by, at }) =>
      sam === command.sam && by === 'rival' && at >= submittedAt && at <= endedAt,
  );
}

function versionsAgree(evidence: Evidence): string[] {
  return evidence.accounts.flatMap(({ sam }) => {
    const moved = movedBy(evidence, sam);
    const logged = evidence.writes.filter((write) => write.sam === sam).length;
    const undecided = evidence.undecided.filter((write) => write.sam === sam).length;
    if (moved === undefined || (moved >= logged && moved <= logged + undecided)) return [];
    const open = undecided === 0 ? '' : ` and ${undecided} undecided`;
    return [`${sam}: version moved by ${moved}, audit logs have ${logged}${open}`];
  });
}

function passwordsWork({ accounts, histories }: Evidence): string[] {
  return accounts
    .filter(({ logsOnWith }) => logsOnWith === -1)
    .map(({ sam }) => {
      const those = histories.filter(({ command }) => command.sam === sam);
      return `${sam} logs on with none of the passwords it may have (${those.map(nameOf).join('; ')})`;
    });
}

function unlocksHold({ accounts, histories, controllers }: Evidence): string[] {
  return accounts.flatMap(({ sam, locked }) => {
    const those = histories.filter(({ command }) => command.sam === sam);
    const lockedAt = Math.max(...those.map(({ lockedAt: at }) => at ?? -Infinity));
    const unlock = those.find(
      ({ command, view, submittedAt }) =>
        command.unlock &&
        view?.status === 'applied' &&
        // Accounts are locked on the first controller; another one need not know yet.
        view.outcome?.controller === controllers[0] &&
        (submittedAt ?? 0) > lockedAt,
    );
    return locked && unlock !== undefined ? [`${sam} is locked after ${nameOf(unlock)}`] : [];
  });
}

function rivalsStand(evidence: Evidence): string[] {
  return evidence.writes
    .filter(({ by }) => by === 'rival')
    .flatMap((rival) =>
      evidence.writes
        .filter(
          ({ by, sam, controller, at }) =>
            by === 'service account' &&
            sam === rival.sam &&
            controller === rival.controller &&
            at > rival.at,
        )
        .filter((write) => !mayFollow(evidence, rival, write))
        .map((write) => {
          const those = resetsOf(evidence, rival.sam).map(nameOf).join('; ');
          return `${rival.sam}: written ${write.at - rival.at} ms after somebody else's change (${those})`;
        }),
    );
}

/**
 * Whether a write after somebody else's was right: made by an operation that was prepared after
 * that one had begun, or handed over before that one was there to be seen.
 */
function mayFollow(evidence: Evidence, rival: Write, write: Write): boolean {
  const known = rivalTimes(evidence, rival);
  return resetsOf(evidence, write.sam).some(({ operation, preparedAt }) => {
    const handed = (evidence.dispatches.get(operation ?? '') ?? []).filter(
      ({ at }) => at <= write.at + CLOCKS_MS && at > write.at - WRITE_HORIZON_MS,
    );
    if (handed.length === 0) return false;
    if ((preparedAt ?? Infinity) > known.beganAt) return true;
    return handed.some(({ at }) => at <= known.endedAt + CLOCKS_MS);
  });
}

function rivalTimes({ histories }: Evidence, write: Write): { beganAt: number; endedAt: number } {
  const own = histories.find(
    ({ command, rival }) =>
      command.sam === write.sam &&
      rival !== undefined &&
      rival.beganAt - CLOCKS_MS <= write.at &&
      write.at <= (rival.endedAt ?? rival.beganAt + REPLICATION_MS) + CLOCKS_MS,
  )?.rival;
  return { beganAt: own?.beganAt ?? write.at, endedAt: own?.endedAt ?? write.at };
}

function agentsReturn({ agents }: Evidence): string[] {
  return agents
    .filter(({ connected, state }) => !connected || state !== 'running')
    .map(({ name, connected, state }) => `${name}: ${connected ? state : 'not connected'}`);
}

function trailsHold({ agents }: Evidence): string[] {
  return agents.flatMap(({ name, brokenLinks }) => brokenLinks.map((link) => `${name}: ${link}`));
}

/** A command in a line: what became of it, and what to look for in the logs. */
export function nameOf({ command, operation, view, refusal }: CommandHistory): string {
  const { number, sam, op } = command;
  const became = [view?.status, view?.code, refusal].filter((part) => part !== undefined).join(' ');
  return `#${number} ${op} ${sam} ${operation ?? 'not prepared'} ${became}`;
}

function resetsOf({ histories }: Evidence, sam: string): readonly CommandHistory[] {
  return histories.filter(({ command }) => command.op === 'reset' && command.sam === sam);
}

function writesOf(writes: readonly Write[], sam: string, by: Write['by']): readonly Write[] {
  return writes.filter((write) => write.sam === sam && write.by === by);
}
