import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { decodeRecord, type JournalRecord } from '../../src/agent/commands/journal-records.ts';
import { Unresolved } from '../../src/agent/commands/outcomes.ts';
import { toFiletime } from '../../src/agent/directory/filetime.ts';
import { factsOf, type OutcomeCode } from '../../src/protocol/codes.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import { sha256, signedHash } from '../../src/protocol/digest.ts';
import type { OutcomeClaims } from '../../src/protocol/outcome.ts';
import { CommandRig, makeRigKeys, type Order, type RigOptions } from './command-rig.ts';
import { FakeClock } from './fake-clock.ts';
import { DC1, DC2, FakeDomain, type Mishap } from './fake-domain.ts';
import { PowerCutDisk, type Fate } from './power-cut-disk.ts';
import { Stepper } from './stepper.ts';

export const NEW_PASSWORD = 'Correct-Horse-7';

const NEVER = Number.POSITIVE_INFINITY;

const keys = makeRigKeys(); // whose they are makes no difference, and making them takes long

/** One agent, in whichever of its lives, and what it works on. */
export interface World {
  readonly clock: FakeClock;
  readonly domain: FakeDomain;
  readonly objectGuid: string;
  readonly rig: CommandRig;
}

/** One operation, and what befalls it. */
export interface Story {
  readonly order?: Partial<Order>;
  readonly metadata: boolean;
  readonly mishap?: Mishap;
  /** Whether there is a second controller. */
  readonly two?: boolean;
  /** What is left of the unsynced when the agent dies with its machine; absent: it dies alone. */
  readonly fate?: Fate;
  /** What has happened before, ending with the command; the agent is started anew after it. */
  readonly before?: (world: World) => Promise<CommandClaims>;
  /** What is done in each of its lives until it answers. Default is `ask`. */
  readonly act?: (world: World, claims: CommandClaims) => Promise<OutcomeClaims>;
}

export interface Ended {
  readonly domain: FakeDomain;
  readonly objectGuid: string;
  readonly outcome: OutcomeClaims['outcome'];
  /** All of the journal but its epoch. */
  readonly records: readonly JournalRecord[];
  /** How many steps the first life had. */
  readonly steps: number;
  readonly died: boolean;
}

/** One operation, asked for until it is answered, by an agent that dies at these steps of its lives. */
export async function live(story: Story, fatal: readonly number[]): Promise<Ended> {
  const { act = ask, fate } = story;
  const { open, ...place } = placeOf(story);
  const { clock, domain, objectGuid, disk } = place;
  let rig = await open({ keys: await keys });
  const lives: Stepper[] = [];
  try {
    const claims = await begin(story, { ...place, rig });
    if (story.before !== undefined) {
      await rig.stop();
      rig = await open({ after: rig });
    }
    for (;;) {
      const stepper = new Stepper(fatal[lives.length] ?? NEVER);
      lives.push(stepper);
      using _attached = stepper.attach(rig, place);
      const answer = await Promise.race([act({ ...place, rig }, claims), stepper.died]);
      if (answer !== 'died') {
        const records = await readChain(rig);
        clock.advance(60_000); // whatever is still on its way arrives
        domain.passwordOf(objectGuid);
        const steps = lives[0]?.steps ?? 0;
        const { outcome } = answer;
        return { domain, objectGuid, outcome, records, steps, died: lives.length > 1 };
      }
      await end(rig, disk, fate);
      clock.advance(1_000);
      rig = await open({ after: rig });
    }
  } finally {
    await rig[Symbol.asyncDispose]();
  }
}

interface Place extends Omit<World, 'rig'> {
  readonly disk?: PowerCutDisk;
  readonly open: (by: Pick<RigOptions, 'keys' | 'after'>) => Promise<CommandRig>;
}

function placeOf({ order, metadata, two, fate }: Story): Place {
  const clock = new FakeClock();
  const directory = new FakeDomain({ clock, metadata, controllers: two ? [DC1, DC2] : [DC1] });
  const lockoutTime = toFiletime(clock.now() - 60_000);
  const objectGuid = directory.add(order?.op === 'unlock' ? { locked: true, lockoutTime } : {});
  const disk = fate && { disk: new PowerCutDisk() };
  return {
    ...{ clock, domain: directory, objectGuid, ...disk },
    open: (by) => CommandRig.open({ directory, clock, ...disk, ...by }),
  };
}

async function begin({ order, mishap, before }: Story, world: World): Promise<CommandClaims> {
  const { rig, domain, objectGuid } = world;
  const claims = await (before?.(world) ?? rig.claims({ objectGuid, ...order }));
  if (mishap !== undefined) domain.befall(mishap);
  return claims;
}

/** Lives it through without a death, then with one at each step of that; hands every ending to `check`. */
export async function dieAtEachStep(story: Story, check: (ended: Ended) => void): Promise<Ended> {
  const whole = await live(story, []);
  check(whole);
  for (let fatal = 1; fatal <= whole.steps; fatal += 1) {
    const ended = await live(story, [fatal]);
    expect(ended.died).toBe(true);
    check(ended);
  }
  return whole;
}

/** As the service does: a new dispatch after each answer that does not end the operation. */
export async function ask({ rig, clock }: World, claims: CommandClaims): Promise<OutcomeClaims> {
  for (;;) {
    const answer = await rig.dispatch(claims).catch((error: unknown) => {
      if (error instanceof Unresolved) return undefined;
      throw error;
    });
    if (answer !== undefined && factsOf(answer.outcome.code).redispatch !== true) return answer;
    clock.advance(1_000);
  }
}

/** How each operation in the journal ended. */
export function codesOf({ records }: Ended): Readonly<Record<string, OutcomeCode>> {
  const outcomes = records.filter((record) => record.type === 'outcome');
  return Object.fromEntries(outcomes.map(({ cmd, code }) => [cmd, code]));
}

/** Closes what a dead agent had open, or takes its machine's power away. */
async function end(rig: CommandRig, disk?: PowerCutDisk, fate?: Fate): Promise<void> {
  if (disk === undefined || fate === undefined) await rig.stop();
  else await disk.cut(fate);
}

/** The records, of a trail that has no gap and one outcome for each operation. */
async function readChain(rig: CommandRig): Promise<readonly JournalRecord[]> {
  const text = await readFile(join(rig.folder, 'journal.jsonl'), 'utf8');
  expect(text).not.toContain(NEW_PASSWORD);
  let previous = sha256(rig.journal.epoch);
  let seq = 0;
  const records: JournalRecord[] = [];
  const ended: string[] = [];
  for (const line of text.trimEnd().split('\n').slice(1)) {
    const record = decodeRecord(line);
    if (record === undefined) throw new Error(`damaged: ${line}`);
    records.push(record);
    if (record.type === 'outcome') ended.push(record.cmd);
    if (record.type !== 'outcome' && record.type !== 'refusal') continue;
    seq += 1;
    expect((await rig.verify(record.jws)).chain).toMatchObject({ seq, previous });
    previous = signedHash(record.jws);
  }
  expect(ended).toEqual([...new Set(ended)]);
  expect([rig.journal.seq, rig.journal.head, rig.journal.open]).toEqual([seq, previous, 0]);
  return records;
}
