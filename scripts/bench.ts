import { cpus, release } from 'node:os';
import { measureAgentAlone, type AgentAlone } from './benchmark/agent-alone.ts';
import {
  measureThroughEverything,
  type ThroughEverything,
} from './benchmark/through-everything.ts';
import { optionsOf } from './lib/options.ts';

const values = optionsOf('scripts/bench', {
  only: { takes: 'choice', of: ['through', 'alone'] },
  commands: { takes: 'number', from: 1, default: 1500 },
  resets: { takes: 'number', from: 1, default: 200 },
  idle: { takes: 'number', from: 0, default: 60 },
  json: { takes: 'nothing' },
});
const progress = (line: string): void => {
  console.error(line);
};
const wanted = (part: string): boolean => values.only === undefined || values.only === part;

const through = wanted('through')
  ? await measureThroughEverything({ callers: [1, 8], resets: values.resets, progress })
  : undefined;
const alone = wanted('alone')
  ? await measureAgentAlone({
      commands: values.commands,
      idleSeconds: values.idle,
      progress,
    })
  : undefined;
console.log(values.json ? JSON.stringify({ machine: machine(), through, alone }) : tables());

function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}), Linux ${release()}, Node ${process.version}`;
}

function tables(): string {
  const parts = [`Machine: ${machine()}`];
  if (through !== undefined) parts.push(throughTable(through));
  if (alone !== undefined) parts.push(aloneTable(alone));
  return parts.join('\n\n');
}

function throughTable(rows: readonly ThroughEverything[]): string {
  return table(
    ['callers', 'API call to outcome', 'plain ldapts modify', 'added', 'resets/s', 'ratio'],
    rows.map(({ callers, through: api, plain, throughPerSecond, plainPerSecond }) => [
      `${callers}`,
      `${ms(api.median)} (p99 ${ms(api.p99)})`,
      `${ms(plain.median)} (p99 ${ms(plain.p99)})`,
      `+${ms(api.median - plain.median)}`,
      `${throughPerSecond.toFixed(1)} of ${plainPerSecond.toFixed(1)}`,
      (throughPerSecond / plainPerSecond).toFixed(2),
    ]),
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
    `Resident memory: ${alone.idleRssMb.toFixed(0)} MB ${alone.idleSeconds} s after hello, ${alone.busyRssMb.toFixed(0)} MB after ${alone.commands} commands.`,
  ].join('\n\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
