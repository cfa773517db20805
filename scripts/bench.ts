import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { measureAgentAlone, type AgentAlone } from './benchmark/agent-alone.ts';
import {
  measureThroughEverything,
  type ThroughEverything,
} from './benchmark/through-everything.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    commands: { type: 'string', default: '1500' },
    resets: { type: 'string', default: '200' },
    idle: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});
const progress = (line: string): void => {
  console.error(line);
};
const wanted = (part: string): boolean => values.only === undefined || values.only === part;

const through = wanted('through')
  ? await measureThroughEverything({ callers: [1, 8], resets: Number(values.resets), progress })
  : undefined;
const alone = wanted('alone')
  ? await measureAgentAlone({
      commands: Number(values.commands),
      idleSeconds: Number(values.idle),
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
    ['callers', '', 'median', 'p99', 'resets/s'],
    rows.flatMap(({ callers, through: api, plain, throughPerSecond, plainPerSecond }) => [
      [
        `${callers}`,
        'API call to outcome',
        ms(api.median),
        ms(api.p99),
        throughPerSecond.toFixed(1),
      ],
      ['', 'plain ldapts modify', ms(plain.median), ms(plain.p99), plainPerSecond.toFixed(1)],
      [
        '',
        'added / ratio',
        `+${ms(api.median - plain.median)}`,
        `+${ms(api.p99 - plain.p99)}`,
        (throughPerSecond / plainPerSecond).toFixed(2),
      ],
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
