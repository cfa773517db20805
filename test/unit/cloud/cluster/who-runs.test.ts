import { expect, test } from 'vitest';
import { whoRuns } from '../../../../src/cloud/cluster/who-runs.ts';

const of = (id: string, runner?: string) => ({ id, runner });

test.each([
  ['nothing is under way on the account: who asks', [], 'me', []],
  ['somebody runs one: he runs all', [of('1', 'other')], 'other', []],
  ['its node has ended: who asks takes it with the new one', [of('1')], 'me', ['1']],
  ['some are left over, another runs: he gets them', [of('1'), of('2', 'other')], 'other', ['1']],
])('%s', (_name, unfinished, runner, orphans) => {
  expect(whoRuns('me', unfinished)).toEqual({ runner, orphans });
});
