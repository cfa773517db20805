import { allWritten } from '../src/support/all-written.ts';
import { linePlot, writePlot } from './benchmark/plot.ts';
import { table } from './benchmark/table.ts';
import { optionsOf } from './lib/options.ts';
import { soak, type Soak } from './soaking/soak.ts';
import { grown, wrongOutcomes, type Grown } from './soaking/verdict.ts';

const values = optionsOf('scripts/soak', {
  minutes: { takes: 'number', from: 1, default: 60 },
  speed: { takes: 'number', from: 1, default: 24 },
  json: { takes: 'nothing' },
});
const { minutes, speed } = values;
const progress = (line: string): void => {
  console.error(line);
};

const result = await soak({ minutes, speed, progress });
const operations = Object.values(result.tally).reduce((sum, count) => sum + count, 0);
const programs = [
  grown('agent', result.samples.agent, operations),
  grown('service', result.samples.service, operations),
];
const problems = [
  ...programs.flatMap(({ program, problems }) => problems.map((what) => `${program}: ${what}`)),
  ...wrongOutcomes(result),
];
// A shorter run would take the place of the published hour.
if (minutes >= 60) await draw(result);
const verdict =
  problems.length === 0 ? 'Nothing has grown.' : `GROWN OR WRONG: ${problems.join('; ')}`;
console.log(values.json ? JSON.stringify({ ...result, problems }) : report(result, programs));
if (problems.length > 0) process.exitCode = 1;

// Left to end by itself, Node may spin for ever while it takes itself apart (nodejs/node#47748).
await allWritten(process.stdout, process.stderr);
process.exit();

function report({ tally, faults, passwordsWritten }: Soak, rows: readonly Grown[]): string {
  const arrow = (first: number, last: number): string => `${first} → ${last}`;
  return [
    table(
      [
        `${minutes} min, calendar at ${speed} times`,
        'resident',
        'heap in use',
        'handles',
        'open files',
      ],
      rows.map(({ program, first, last }) => [
        program,
        `${mb(first.rss)} → ${mb(last.rss)}`,
        `${mb(first.heap)} → ${mb(last.heap)}`,
        arrow(first.handles, last.handles),
        arrow(first.files, last.files),
      ]),
    ),
    table(
      ['operation', 'ended'],
      Object.entries(tally).map(([what, count]) => [what, String(count)]),
    ),
    `${passwordsWritten} passwords written, ${faults} faults. Medians of the minutes after the first ones, and of as many at the end.`,
    verdict,
  ].join('\n\n');
}

async function draw({ samples }: Soak): Promise<void> {
  const svg = linePlot({
    title: `Resident memory over ${minutes} min, calendar at ${speed} times`,
    x: 'minutes',
    y: 'MB',
    lines: Object.entries(samples).map(([name, list]) => ({
      name,
      points: list.map((sample) => [sample.minutes, sample.rss / 2 ** 20] as const),
    })),
  });
  await writePlot('soak.svg', svg);
}

function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}
