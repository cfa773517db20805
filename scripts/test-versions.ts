import { allWritten } from '../src/support/all-written.ts';
import { ROOT } from '../test/support/program.ts';
import { table } from './benchmark/table.ts';
import { optionsOf } from './lib/options.ts';
import { record } from './versions/record.ts';
import { conversation, upgrade } from './versions/stories.ts';
import { tell, type StepResult, type Version } from './versions/trial.ts';

const values = optionsOf('scripts/test-versions', {
  name: { takes: 'text', default: '' },
  root: { takes: 'text', default: '' },
  record: { takes: 'text', default: '' },
});
const older: Version = values;
const { record: recordIn } = values;
const newer: Version = { name: 'this checkout', root: ROOT };
const results: StepResult[] = [];
const onStep = (what: string): void => {
  console.error(`  ${what}`);
};

const recording = [
  [`what ${newer.name} keeps`, { cloud: newer, agent: newer }, record(recordIn)],
] as const;
const together = [
  [
    `service of ${older.name}, agent of ${newer.name}`,
    { cloud: older, agent: newer },
    conversation(newer),
  ],
  [
    `service of ${newer.name}, agent of ${older.name}`,
    { cloud: newer, agent: older },
    conversation(older),
  ],
  [
    `upgrade from ${older.name} in place`,
    { cloud: older, agent: older },
    upgrade({ older, newer }),
  ],
] as const;
for (const [story, versions, play] of recordIn === '' ? together : recording) {
  console.error(`${story} …`);
  results.push(...(await tell(story, versions, { play, onStep })));
}
console.log(
  table(
    ['story', 'step', 'result'],
    results.map(({ story, what, found = 'good', problem }) => [
      story,
      what,
      problem === undefined ? found : 'WRONG',
    ]),
  ),
);
const wrong = results.filter(({ problem }) => problem !== undefined);
for (const { story, what, problem = '' } of wrong) {
  console.log(`\nWRONG: ${story}: ${what}:\n${problem}`);
}
if (wrong.length > 0) process.exitCode = 1;
else if (recordIn === '') console.log('\nBoth versions work together.');

// Left to end by itself, Node may spin for ever while it takes itself apart (nodejs/node#47748).
await allWritten(process.stdout, process.stderr);
process.exit();
