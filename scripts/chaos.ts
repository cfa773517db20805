import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { allWritten } from '../src/support/all-written.ts';
import { person, PEOPLE, type Account } from '../test/lab/people.ts';
import { postgresServer } from '../test/lab/postgres-server.ts';
import { startLab } from '../test/lab/start-lab.ts';
import { startPostgres } from '../test/lab/start-postgres.ts';
import { usablePeople } from './chaos-run/accounts.ts';
import type { Evidence } from './chaos-run/evidence.ts';
import { judge } from './chaos-run/judge.ts';
import { makePlan, type ChaosPlan } from './chaos-run/plan.ts';
import { runChaos } from './chaos-run/run.ts';
import { chaosTable, unknownStories } from './chaos-run/table.ts';
import { optionsOf } from './lib/options.ts';

const EXTRA_PEOPLE = 84;

/** One of everything; failover between controllers and agents; failover between nodes of the service. */
const PARTS = [
  { controllers: 1, agents: 1, nodes: 1 },
  { controllers: 2, agents: 2, nodes: 1 },
  { controllers: 1, agents: 2, nodes: 2 },
] as const;

const values = optionsOf('scripts/chaos', {
  seed: { takes: 'number', from: 0, default: Math.floor(Math.random() * 2 ** 31) },
  commands: { takes: 'number', from: 1, default: 500 },
  kills: { takes: 'number', from: 0, default: 100 },
  cuts: { takes: 'number', from: 0, default: 250 },
  stops: { takes: 'number', from: 0, default: 4 },
  part: { takes: 'choice', of: ['1', '2', '3'] },
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
  const { controllers, nodes } = plan.options;
  await using lab = await startLab({ controllers, people, progress });
  await using postgres = nodes > 1 ? await startPostgres(progress) : undefined;
  const database = postgres && (await postgresServer(postgres.description).createDatabase());
  const evidence = await runChaos(plan, { lab, folder, database, progress });
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

/** The plan of a part does not depend on which others run. */
function planAll(): readonly ChaosPlan[] {
  const { seed, commands, kills, cuts, stops } = values;
  const load = { commands, kills, cuts, stops, accounts: usablePeople(people) };
  return PARTS.map((size, index) => makePlan({ seed: seed + index, ...load, ...size })).filter(
    (_, index) => values.part === undefined || values.part === String(index + 1),
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
