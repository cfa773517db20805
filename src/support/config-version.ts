import type { ConfigProblem } from './config-error.ts';
import { shown } from './shown.ts';
import { packageVersion } from './version.ts';

type Tree = Readonly<Record<string, unknown>>;

/** What a version of the configuration says in another way than the one before. Pure. */
export interface ConfigStep {
  /** What to write in a file of the next version, in a sentence. */
  readonly says: string;
  readonly rewrite: (tree: Tree) => Tree;
}

/** What a program knows of its configuration: the step to version 2, the one to version 3, … */
export type ConfigSteps = readonly ConfigStep[];

/** The top-level name that says which version of the settings a file is written in. It is no setting. */
export const VERSION_KEY = 'version';

export interface Brought {
  /** The settings as this program knows them, without their version. */
  readonly tree: Tree;
  /** What a file of the newest version says otherwise; empty for one that is of it. */
  readonly notes: readonly string[];
  /** The version cannot be read, or is not known here: then nothing else of the file is to be judged. */
  readonly problem?: ConfigProblem;
}

/** Reads the settings of a file in the way of the newest version; one that names none is of version 1. */
export function bringSettingsForward(given: Tree, steps: ConfigSteps): Brought {
  const { [VERSION_KEY]: named, ...tree } = given;
  const version = named ?? 1;
  const newest = steps.length + 1;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) {
    const problem = `expected ${newest === 1 ? '1' : `1 to ${newest}`}, found ${shown(version)}`;
    return { tree: {}, notes: [], problem: { key: VERSION_KEY, problem } };
  }
  if (version > newest) {
    const problem = `${version} is of a newer passback, and this one (${packageVersion()}) reads ${newest} at the most: install the one that the file was written for, or put the file back that was there before`;
    return { tree: {}, notes: [], problem: { key: VERSION_KEY, problem } };
  }
  const due = steps.slice(version - 1);
  return {
    tree: due.reduce((before, { rewrite }) => rewrite(before), tree),
    notes: due.map(({ says }) => says),
  };
}
