import { describe, expect, test } from 'vitest';
import type { Order } from '../support/command-rig.ts';
import type { Mishap } from '../support/fake-domain.ts';
import { dieAtEachStep, live, NEW_PASSWORD, type Ended, type Story } from '../support/lives.ts';
import type { Fate } from '../support/power-cut-disk.ts';

function expectOneEffect({ domain, outcome }: Ended, order: Partial<Order>): void {
  expect(outcome.code).toBe('APPLIED');
  if (order.op === 'unlock') {
    expect(domain.unlocks).toBe(1);
    return;
  }
  const writes = domain.written.length;
  expect(writes).toBe(outcome.reapplied === true ? 2 : 1);
  expect(new Set(domain.written.map(({ password }) => password))).toEqual(new Set([NEW_PASSWORD]));
}

const ORDERS: [string, Partial<Order>][] = [
  ['a reset', {}],
  ['a reset with must-change', { claims: { mustChange: true } }],
  ['a change', { op: 'change', oldPassword: 'Old-Password-1' }],
  ['an unlock', { op: 'unlock' }],
];

const MISHAPS: [string, { mishap?: Mishap }][] = [
  ['answered', {}],
  ['whose answer was lost', { mishap: 'answer-lost' }],
  ['carried out late', { mishap: { lateByMs: 3_000 } }],
  ['that never arrived', { mishap: 'never-arrives' }],
];

describe.each([
  ['with replication metadata', true, ORDERS],
  ['without', false, ORDERS.slice(0, 3)],
] as const)('%s', (_what, metadata, orders) => {
  describe.each(MISHAPS)('a write %s', (_fate, fate) => {
    test.each(orders)(
      '%s takes effect once, whichever step is the agent’s last',
      async (_op, order) => {
        const { steps } = await dieAtEachStep({ order, metadata, ...fate }, (ended) => {
          expectOneEffect(ended, order);
        });
        expect(steps).toBeGreaterThanOrEqual(9);
      },
    );
  });
});

const FATES: [string, Fate][] = [
  ['nothing', { bytes: 'lost', names: 'lost' }],
  ['half', { bytes: 'torn', names: 'lost' }],
  ['all', { bytes: 'kept', names: 'kept' }],
];

describe.each(FATES)('when a power cut leaves %s of what was not synced,', (_left, fate) => {
  describe.each(MISHAPS)('a write %s', (_what, mishap) => {
    test.each(ORDERS.filter(([, { claims }]) => claims === undefined))(
      '%s takes effect once, whichever step is the machine’s last',
      async (_op, order) => {
        const story = { order, metadata: true, fate, ...mishap };
        const { steps } = await dieAtEachStep(story, (ended) => {
          expectOneEffect(ended, order);
        });
        expect(steps).toBeGreaterThanOrEqual(17); // four and four of them on the disk
      },
    );
  });
});

test('an agent that dies again while it finds out what it did before ends in the same one effect', async () => {
  const story: Story = { metadata: true, mishap: { lateByMs: 3_000 } };
  for (let first = 5; first <= 10; first += 1) {
    for (let second = 1; second <= 12; second += 2) {
      expectOneEffect(await live(story, [first, second]), {});
    }
  }
});
