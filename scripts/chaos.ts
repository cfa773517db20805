import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { allWritten } from '../src/support/all-written.ts';
import { person, PEOPLE, type Account } from '../test/lab/people.ts';
import { startLab } from '../test/lab/start-lab.ts';
import { usablePeople } from './chaos-run/accounts.ts';
import type { Evidence } from './chaos-run/evidence.ts';
import { judge } from './chaos-run/judge.ts';
import { makePlan, type ChaosPlan } from './chaos-run/plan.ts';
import { runChaos } from './chaos-run/run.ts';
import { chaosTable, unknownStories } from './chaos-run/table.ts';
import { optionsOf } from './lib/options.ts';

const EXTRA_PEOPLE = 84;

const values = optionsOf('scripts/chaos', {
  seed: { takes: 'number', from: 0, default: Math.floor(Math.random() * 2 ** 31) },
  commands: { takes: 'number', from: 1, default: 1000 },
  kills: { takes: 'number', from: 0, default: 200 },
  cuts: { takes: 'number', from: 0, default: 500 },
  stops: { takes: 'number', from: 0, default: 8 },
  controllers: { takes: 'choice', of: ['1', '2', '1,2'], default: '1,2' },
  plan: { takes: 'nothing' },
  keep: { takes: 'nothing' },
});

const people: readonly Account[] = [...PEOPLE, ...extraPeople()];
const plans = planAll();
if (values.plan) console.log(JSON.stringify(plans, undefined, 2));
else await runAll();

// Left to end by itself, Node may spin for ever while it takes itself apart (nodejs/node#47748).
await allWritten(process.stdout, process.stderr);
process.exit();

async function runAll(): Promise<void> {
  const runs: Evidence[] = [];
  for (const plan of plans) runs.push(await runOne(plan));
  console.log(`${machine()}\n\n${report(runs)}`);
  if (runs.flatMap(judge).length > 0) process.exitCode = 1;
}

function report(runs: readonly Evidence[]): string {
  const stories = runs.flatMap(unknownStories);
  const broken = runs.flatMap(judge);
  return [
    chaosTable(runs),
    ...(stories.length > 0 ? [`Unknown:\n${stories.join('\n')}`] : []),
    ...broken.map(({ promise, what }) => `BROKEN: ${promise}\n${what}`),
    broken.length === 0 ? 'Every promise was kept.' : `${broken.length} broken.`,
  ].join('\n\n');
}

async function runOne(plan: ChaosPlan): Promise<Evidence> {
  const folder = await mkdtemp(join(tmpdir(), 'passback-chaos-'));
  const began = performance.now();
  const progress = (line: string): void => {
    console.error(`${Math.round((performance.now() - began) / 1000)} s  ${line}`);
  };
  await using lab = await startLab({ controllers: plan.options.controllers, people, progress });
  const evidence = await runChaos(plan, { lab, folder, progress });
  progress(`This part:\n${report([evidence])}`);
  if (values.keep || judge(evidence).length > 0) {
    await writeFile(join(folder, 'evidence.json'), toJson(evidence));
    progress(`Logs, state and evidence are in ${folder}`);
  } else await rm(folder, { recursive: true, force: true });
  return evidence;
}

/** Everything that was judged: the directory it is about is gone by then. */
function toJson(evidence: Evidence): string {
  const dispatches = Object.fromEntries(evidence.dispatches);
  return `${JSON.stringify({ ...evidence, dispatches }, undefined, 2)}\n`;
}

/** The same load on one controller with one agent, and on two with two. */
function planAll(): readonly ChaosPlan[] {
  const sizes = values.controllers.split(',').map((size) => (size === '2' ? 2 : 1));
  const share = (all: number, index: number): number => {
    const part = Math.floor(all / sizes.length);
    return index === 0 ? all - part * (sizes.length - 1) : part;
  };
  return sizes.map((size, index) =>
    makePlan({
      seed: values.seed + index,
      commands: share(values.commands, index),
      kills: share(values.kills, index),
      cuts: share(values.cuts, index),
      controllers: size,
      agents: size,
      stops: Math.ceil(values.stops / sizes.length),
      accounts: usablePeople(people),
    }),
  );
}

function extraPeople(): Account[] {
  return Array.from({ length: EXTRA_PEOPLE }, (_, index) => {
    const letters = String.fromCharCode(97 + Math.floor(index / 26), 97 + (index % 26));
    return person(`walker-${letters}`, `Walker ${letters}`);
  });
}

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Linux ${release()}, Node ${process.version}`;
}
