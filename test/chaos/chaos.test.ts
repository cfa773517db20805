import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { usablePeople } from '../../scripts/chaos-run/accounts.ts';
import type { Evidence } from '../../scripts/chaos-run/evidence.ts';
import { judge, PROMISE_NAMES } from '../../scripts/chaos-run/judge.ts';
import { makePlan } from '../../scripts/chaos-run/plan.ts';
import { runChaos } from '../../scripts/chaos-run/run.ts';
import { useLab } from '../lab/use-lab.ts';

const lab = useLab();
let folder: string;
let evidence: Evidence;

/** `scripts/chaos` in small: the same plan each time, and no controller stopped, which takes its time. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'passback-chaos-'));
  const plan = makePlan({
    seed: 3,
    commands: 32,
    kills: 6,
    cuts: 16,
    stops: 0,
    controllers: 1,
    agents: 1,
    nodes: 1,
    accounts: usablePeople(lab.people),
  });
  evidence = await runChaos(plan, { lab, folder, progress: () => undefined });
}, 240_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(PROMISE_NAMES)('under kills and cuts, %s', (name) => {
  const broken = judge(evidence).filter(({ promise }) => promise === name);
  expect(broken.map(({ what }) => what)).toEqual([]);
});

test('most of what was asked for is done all the same', () => {
  const applied = evidence.histories.filter(({ view }) => view?.status === 'applied');
  expect(applied.length).toBeGreaterThan(evidence.histories.length / 2);
});
