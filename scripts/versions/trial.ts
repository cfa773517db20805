import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../src/support/errors.ts';
import type { Ended } from '../../test/support/program.ts';
import { Stack } from '../../test/support/stack.ts';
import { openTrialDirectory, type TrialDirectory } from './directory.ts';

/** A built checkout and what people call it. */
export interface Version {
  readonly name: string;
  readonly root: string;
}

/** Both programs, each of one of two versions, with a directory of their own. */
export interface Trial {
  readonly stack: Stack;
  readonly directory: TrialDirectory;
}

export interface StepResult {
  readonly story: string;
  readonly what: string;
  /** What was seen, where there is more than one way to be right. */
  readonly found?: string;
  /** What was wrong; absent: nothing. */
  readonly problem?: string;
}

/** Does one step of a story and says how it went; a wrong one ends the story. */
export type Step = (what: string, work: () => Promise<string | undefined>) => Promise<void>;

export interface Told {
  readonly play: (trial: Trial, step: Step) => Promise<void>;
  /** Hears what is done next. */
  readonly onStep: (what: string) => void;
}

/** Tells a story of a service and an agent of these versions, up to its end or the first wrong step. */
export async function tell(
  story: string,
  versions: { readonly cloud: Version; readonly agent: Version },
  { play, onStep }: Told,
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'passback-versions-'));
  try {
    await using directory = await openTrialDirectory();
    const roots = { cloud: versions.cloud.root, agent: versions.agent.root };
    await using stack = await Stack.prepare({ lab: directory.lab, folder, roots });
    await play({ stack, directory }, async (what, work) => {
      onStep(what);
      const found = await work().catch((error: unknown) => {
        results.push({ story, what, problem: messageOf(error) });
        throw new WrongStep();
      });
      results.push({ story, what, ...(found !== undefined && { found }) });
    });
  } catch (error) {
    if (!(error instanceof WrongStep)) {
      results.push({ story, what: 'set up', problem: messageOf(error) });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return results;
}

/** The step has been noted. */
class WrongStep extends Error {}

/** Throws, with all that was said, unless a command ended so. */
export function mustEnd(ended: Ended, code: number, words = /^/): void {
  const said = `${ended.stdout}${ended.stderr}`;
  if (ended.code === code && words.test(said)) return;
  throw new Error(`expected exit code ${code}, found ${String(ended.code)}: ${said.trim()}`);
}

/** Throws unless two values are the same. */
export function mustBe(what: string, found: unknown, wanted: unknown): void {
  const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (is !== should) throw new Error(`${what}: expected ${should}, found ${is}`);
}
