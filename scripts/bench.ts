import { existsSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join, resolve } from 'node:path';
import { measureAgentAlone, type AgentAlone } from './benchmark/agent-alone.ts';
import { measureStarts, type Starts } from './benchmark/starts.ts';
import { measureAtScale } from './benchmark/at-scale.ts';
import { drawProfile, profileTable } from './benchmark/profile-report.ts';
import { measureReconnect } from './benchmark/reconnect.ts';
import {
  drawMemory,
  drawReconnect,
  reconnectTable,
  scaleTables,
} from './benchmark/scale-report.ts';
import { table } from './benchmark/table.ts';
import {
  measureThroughEverything,
  type ThroughEverything,
} from './benchmark/through-everything.ts';
import { measureTwoNodes, type TwoNodes } from './benchmark/two-nodes.ts';
import { optionsOf } from './lib/options.ts';

const values = optionsOf('scripts/bench', {
  only: { takes: 'choice', of: ['through', 'alone', 'scale', 'reconnect', 'nodes', 'start'] },
  bundle: { takes: 'text', default: 'dist/bundles/passback-linux-x64' },
  commands: { takes: 'number', from: 1, default: 1500 },
  resets: { takes: 'number', from: 1, default: 200 },
  idle: { takes: 'number', from: 0, default: 60 },
  agents: { takes: 'number', from: 64, default: 10_000 },
  // As many approved agents as a secret may be sealed to.
  'per-directory': { takes: 'number', from: 1, default: 16 },
  'soak-minutes': { takes: 'number', from: 0, default: 2 },
  callers: { takes: 'number', from: 1, default: 32 },
  operations: { takes: 'number', from: 1, default: 1500 },
  json: { takes: 'nothing' },
});
const progress = (line: string): void => {
  console.error(line);
};
// The fleet needs a quiet machine and minutes of its own: it is measured when asked for.
const wanted = (part: 'through' | 'alone'): boolean =>
  values.only === undefined || values.only === part;

const through = wanted('through')
  ? await measureThroughEverything({ callers: [1, 8], resets: values.resets, progress })
  : undefined;
const alone = wanted('alone')
  ? await measureAgentAlone({
      commands: values.commands,
      idleSeconds: values.idle,
      progress,
      profileFile: resolve('reports/agent.cpuprofile'),
    })
  : undefined;
const scale =
  values.only === 'scale'
    ? await measureAtScale({
        agents: values.agents,
        perDirectory: values['per-directory'],
        soakMinutes: values['soak-minutes'],
        progress,
      })
    : undefined;
const reconnect =
  values.only === 'reconnect'
    ? await measureReconnect({
        agents: values.agents,
        perDirectory: values['per-directory'],
        progress,
      })
    : undefined;
const nodes =
  values.only === 'nodes'
    ? await measureTwoNodes({ callers: values.callers, operations: values.operations, progress })
    : undefined;
const bundle = resolve(values.bundle);
if (values.only === 'start' && !existsSync(join(bundle, 'passback'))) {
  console.error(`--bundle: there is no agent in ${bundle}; ./scripts/bundle makes one`);
  process.exit(2);
}
const service = bundle.replace(/passback-(?=[^/]*$)/, 'passback-cloud-');
const start =
  values.only === 'start'
    ? await measureStarts({ agent: bundle, ...(existsSync(service) && { service }) })
    : undefined;
if (alone !== undefined) progress(`drawn: ${await drawProfile(alone.profile)}`);
if (scale !== undefined) progress(`drawn: ${await drawMemory(scale)}`);
if (reconnect !== undefined) progress(`drawn: ${await drawReconnect(reconnect)}`);
const all = { machine: machine(), through, alone, scale, reconnect, nodes, start };
console.log(values.json ? JSON.stringify(all) : tables());

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Linux ${release()}, Node ${process.version}`;
}

function tables(): string {
  const parts = [`Machine: ${machine()}`];
  if (through !== undefined) parts.push(throughTable(through));
  if (alone !== undefined) parts.push(aloneTable(alone));
  if (scale !== undefined) parts.push(...scaleTables(scale));
  if (reconnect !== undefined) parts.push(reconnectTable(reconnect));
  if (nodes !== undefined) parts.push(nodesTable(nodes));
  if (start !== undefined) parts.push(startLine(start));
  return parts.join('\n\n');
}

function startLine({ linkedMs, versionMs, servesMs }: Starts): string {
  const service = servesMs === undefined ? '' : ` The service listens after ${ms(servesMs)}.`;
  return `From the start of its process the agent is linked to its service after ${ms(linkedMs)}; \`passback version\` takes ${ms(versionMs)}.${service}`;
}

function throughTable(rows: readonly ThroughEverything[]): string {
  return table(
    ['callers', 'API call to outcome', 'plain ldapts modify', 'added', 'resets/s', 'ratio'],
    rows.map(({ callers, through: api, plain, throughPerSecond, plainPerSecond }) => [
      `${callers}`,
      `${ms(api.median)} (p99 ${ms(api.p99)})`,
      `${ms(plain.median)} (p99 ${ms(plain.p99)})`,
      signed(api.median - plain.median),
      `${throughPerSecond.toFixed(1)} of ${plainPerSecond.toFixed(1)}`,
      (throughPerSecond / plainPerSecond).toFixed(2),
    ]),
  );
}

function nodesTable(nodes: TwoNodes): string {
  const { callers, bare, barePerSecond } = nodes;
  const row = (what: string, { median, p99 }: TwoNodes['bare'], perSecond: number): string[] => [
    what,
    `${ms(median)} (p99 ${ms(p99)})`,
    perSecond.toFixed(0),
    (perSecond / barePerSecond).toFixed(2),
  ];
  return table(
    [`${callers} callers, one PostgreSQL server`, 'PUT to outcome', 'operations/s', 'ratio'],
    [
      row('two nodes', nodes.through, nodes.throughPerSecond),
      row('one node', nodes.alone, nodes.alonePerSecond),
      row('bare LISTEN/NOTIFY round trip', bare, barePerSecond),
    ],
  );
}

function aloneTable(alone: AgentAlone): string {
  const { agentPerSecond, baselinePerSecond, agentCpuMs, baselineCpuMs } = alone;
  return [
    table(
      ['one core, 16 in flight, durable journal', 'commands/s', 'CPU per command'],
      [
        ['the agent', agentPerSecond.toFixed(0), ms(agentCpuMs)],
        ['its cryptography and journal alone', baselinePerSecond.toFixed(0), ms(baselineCpuMs)],
        [
          'ratio',
          (agentPerSecond / baselinePerSecond).toFixed(2),
          (agentCpuMs / baselineCpuMs).toFixed(2),
        ],
      ],
    ),
    `Resident memory: ${alone.idleRssMb.toFixed(0)} MB ${alone.idleSeconds} s after hello, ${alone.busyRssMb.toFixed(0)} MB after ${alone.commandsInAll} commands.`,
    profileTable(alone.profile),
  ].join('\n\n');
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${ms(value)}`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
