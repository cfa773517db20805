import { expect, test } from 'vitest';
import { Watch } from '../../../scripts/demonstration/watch.ts';

function ending(code: number | undefined, signalCode: NodeJS.Signals | null = null) {
  return { ended: Promise.resolve({ code }), process: { signalCode } };
}

test.each([
  ['an exit code', ending(78), 'The agent has ended by itself, with exit code 78.'],
  ['a signal', ending(undefined, 'SIGKILL'), 'The agent has ended by itself, by SIGKILL.'],
])('a program that ends with %s though nobody told it to is told of', async (_, program, words) => {
  const said: string[] = [];
  const watch = new Watch((line) => said.push(line));
  await watch.over('agent', program, '/tmp/demo/agent.log');
  expect(said).toEqual([`\n${words} Its log is /tmp/demo/agent.log`]);
  expect(watch.died).toBe(true);
});

test('a program that ends after it was told to is not told of', async () => {
  const said: string[] = [];
  const watch = new Watch((line) => said.push(line));
  watch.stopping();
  await watch.over('cloud', ending(0), '/tmp/demo/cloud.log');
  expect(said).toEqual([]);
  expect(watch.died).toBe(false);
});
