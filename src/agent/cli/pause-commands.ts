import { rm } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { type Command } from 'commander';
import { ShortText, timestamp } from '../../protocol/shapes.ts';
import { parseDuration } from '../../support/duration.ts';
import { knownVersion } from '../../support/folder-version.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import { breakerFile, readTrips, type Trip } from '../commands/guard/breaker-file.ts';
import {
  ordersFile,
  pauseAt,
  readOrders,
  writeOrders,
  type OrdersFile,
} from '../commands/guard/local-orders.ts';
import { Refreshed } from '../health/local-status.ts';
import { becomeOwner } from './become-owner.ts';
import { askAgent } from './local-client.ts';
import { STATE_STEPS } from '../identity/state-version.ts';
import { placeOf, withPlace, type Place, type PlaceFlags } from './place.ts';
import { mustOwnState } from './state-owner.ts';

const NOTES = `
The agent stays connected and answers PAUSED; the reset service cannot end this pause. It is kept in
the state folder, whether the agent runs or not; a running one takes it at once, and both sides show
it. What has begun is finished. The name of your account is kept with it, for those
who ask. Run this as the account of the agent, or as root.`;

const RESUME_NOTES = `
Examples:
  passback resume --config /etc/passback/passback.yaml
  passback resume --breaker

Ends the pause of this machine only: one that the reset service ordered stays. A running agent takes
it at once. Run this as the account of the agent, or as root.`;

const PAUSE_EXAMPLES = `
Examples:
  passback pause --reason "moving the domain controller" --for 2h
  passback pause --reason "incident 4711"`;

/** Adds `pause` and `resume`, the last word of whoever is at this machine. */
export function addPauseCommands(program: Command, terminal: Terminal): void {
  withPlace(program.command('pause'))
    .description('stop writing until resume, or for some time')
    .requiredOption('--reason <text>', 'shown to everybody who asks')
    .option('--for <time>', 'how long, such as 30m, 2h or 1d12h (default: until resume)')
    .addHelpText('after', PAUSE_EXAMPLES + NOTES)
    .action((flags: PlaceFlags & { readonly reason: string; readonly for?: string }) =>
      pause(flags, terminal),
    );
  withPlace(program.command('resume'))
    .description('end the pause, or with --breaker close the breaker')
    .option('--breaker', 'close the breaker, after finding out what opened it; a pause stays')
    .addHelpText('after', RESUME_NOTES)
    .action((flags: PlaceFlags & { readonly breaker?: true }) => resume(flags, terminal));
}

async function pause(
  flags: PlaceFlags & { readonly reason: string; readonly for?: string },
  terminal: Terminal,
): Promise<void> {
  const reason = flags.reason.trim();
  if (reason === '' || !ShortText.safeParse(reason).success) {
    throw new UsageError('--reason: expected 1 to 512 characters on one line');
  }
  const now = Date.now();
  const until =
    flags.for === undefined ? {} : { until: timestamp(now + parseDuration(flags.for, '--for')) };
  const by = whoAmI(terminal);
  const place = await ownPlace(flags, terminal);
  const { stateFolder: folder } = place;
  const before = await ordersIn(folder);
  const since = pauseAt(before, now)?.since ?? timestamp(now);
  const orders = { ...before, pause: { reason, since, ...until, by } };
  await writeOrders(folder, orders);
  const taken = await poke(place, orders);
  tell({ orders, trips: await openTrips(folder, orders), taken }, flags, terminal);
}

async function resume(
  flags: PlaceFlags & { readonly breaker?: true },
  terminal: Terminal,
): Promise<void> {
  const place = await ownPlace(flags, terminal);
  const { stateFolder: folder } = place;
  if (flags.breaker === true) await mustKnowPause(folder);
  const before = await ordersIn(folder);
  const wasOpen = (await openTrips(folder, before)).length > 0;
  const orders = flags.breaker === true ? await withResumed(folder, before) : withoutPause(before);
  await writeOrders(folder, orders);
  const taken = await poke(place, orders);
  if (flags.breaker === true && flags.json !== true) {
    terminal.print(wasOpen ? 'The breaker is closed again.' : 'The breaker was not open.');
  }
  tell({ orders, trips: await openTrips(folder, orders), taken }, flags, terminal);
}

/** Where to write, as the account that will read it: this process is that account from now on. */
async function ownPlace(flags: PlaceFlags, terminal: Terminal): Promise<Place> {
  const place = await placeOf(flags, terminal);
  await mustOwnState(place.stateFolder);
  await becomeOwner(place.stateFolder);
  return place;
}

/** For those who ask why nothing is written: behind sudo, whoever called it. */
function whoAmI({ env }: Terminal): string {
  const { SUDO_USER: behind = '' } = env;
  const name = accountName();
  return ShortText.max(64).safeParse(behind).success && behind !== '' && behind !== name
    ? `${behind} (as ${name})`.slice(0, 128)
    : name;
}

function accountName(): string {
  try {
    return userInfo().username.slice(0, 64);
  } catch {
    return `uid ${process.geteuid?.() ?? 'unknown'}`; // an account without an entry in passwd
  }
}

function withoutPause({ resumed }: OrdersFile): OrdersFile {
  return resumed === undefined ? {} : { resumed };
}

/** Names what is open now, so that what opens later is not closed by this. */
async function withResumed(folder: string, before: OrdersFile): Promise<OrdersFile> {
  const trips = await readTrips(folder);
  // A running agent has replaced a damaged file by one with an open trip: then it is read here.
  if (trips === 'damaged') await rm(breakerFile(folder), { force: true });
  const ids = trips === 'damaged' ? [] : trips.map(({ id }) => id);
  return { ...before, resumed: { at: timestamp(Date.now()), trips: ids } };
}

/** Rejects with a `UsageError` where a pause may be that would be lost with what cannot be read. */
async function mustKnowPause(folder: string): Promise<void> {
  const read = await readOrders(folder);
  if (read.type !== 'unusable') return;
  throw new UsageError(
    `${ordersFile(folder)} ${read.why}, and a pause may be in it: run passback resume to end it, or passback pause to order one, then this again`,
  );
}

/** What cannot be read is replaced: whoever runs this says what holds from now on. */
async function ordersIn(folder: string): Promise<OrdersFile> {
  await knownVersion(folder, STATE_STEPS);
  const read = await readOrders(folder);
  return read.type === 'read' ? read.content : {};
}

async function openTrips(folder: string, { resumed }: OrdersFile): Promise<readonly Trip[]> {
  const trips = await readTrips(folder);
  if (trips === 'damaged') return [{ id: '', at: timestamp(Date.now()), count: 0 }];
  return trips.filter(({ id }) => resumed?.trips.includes(id) !== true);
}

interface Standing {
  readonly orders: OrdersFile;
  readonly trips: readonly Trip[];
  readonly taken: Taken;
}

/** Whether the running agent knows of it by now: `no` when none answers. */
type Taken = 'yes' | 'no' | { readonly problem: string };

/**
 * Lets the running agent look at once; the order holds in any case for the agent of that folder.
 * Rejects with a `UsageError` where the agent that answers has not taken it.
 */
async function poke(place: Place, orders: OrdersFile): Promise<Taken> {
  const askedAt = Date.now();
  const answer = await refreshed(place);
  if ('problem' in answer) return answer;
  if (answer.paused === undefined) return 'no';
  const paused = (now: number): boolean => pauseAt(orders, now) !== undefined;
  // Its time may have ended in between.
  if (answer.paused === paused(askedAt) || answer.paused === paused(Date.now())) return 'yes';
  throw new UsageError(
    `${ordersFile(place.stateFolder)} is written, but the agent that answers at ${place.socket} ${answer.paused ? 'stays paused' : 'is NOT paused and goes on writing'}: its stateFolder is another one, or it cannot read that file; name its configuration with --config, and ask passback status`,
  );
}

async function refreshed({
  socket,
}: Place): Promise<Partial<Refreshed> | { readonly problem: string }> {
  try {
    const answer = await askAgent({ socket, method: 'POST', path: '/refresh' });
    return Refreshed.safeParse(answer).data ?? {};
  } catch (error) {
    if (error instanceof UsageError) return { problem: error.message };
    throw error;
  }
}

function tell({ orders, trips, taken }: Standing, flags: PlaceFlags, terminal: Terminal): void {
  const paused = pauseAt(orders, Date.now());
  const open = trips.some(({ actor }) => actor === undefined);
  const stoppedActors = trips.filter(({ actor }) => actor !== undefined).length;
  if (flags.json === true) {
    const breaker = { open, stoppedActors };
    terminal.print(
      JSON.stringify({
        paused: paused !== undefined,
        ...paused,
        breaker,
        taken: taken === 'yes',
      }),
    );
    return;
  }
  const pauseLine =
    paused === undefined
      ? 'The agent is not paused at this machine.'
      : `The agent is paused ${paused.until === undefined ? 'until passback resume' : `until ${paused.until}`}: ${paused.reason}`;
  terminal.print([pauseLine, ...breakerLines(open, stoppedActors), takenLine(taken)].join('\n'));
}

function takenLine(taken: Taken): string {
  if (taken === 'yes')
    return 'The running agent has taken it, and tells the reset service, at once or when the link is back.';
  if (taken === 'no') return 'No agent is running here: it holds from the start of one.';
  return `The running agent takes it within a minute: ${taken.problem}`;
}

function breakerLines(open: boolean, stoppedActors: number): string[] {
  const next = "the agent's log says why; passback resume --breaker closes it.";
  if (open) return [`The breaker is open and everything is refused: ${next}`];
  if (stoppedActors > 0) return [`The breaker is open for ${stoppedActors} callers: ${next}`];
  return [];
}
