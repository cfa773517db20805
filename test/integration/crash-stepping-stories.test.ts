import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { timestamp } from '../../src/protocol/shapes.ts';
import type { CommandClaims } from '../../src/protocol/command.ts';
import type { Order } from '../support/command-rig.ts';
import { crash } from '../support/crash.ts';
import { DC1, DC2, type FakeDomain, type Mishap } from '../support/fake-domain.ts';
import {
  ask,
  codesOf,
  dieAtEachStep,
  NEW_PASSWORD,
  type Ended,
  type Story,
  type World,
} from '../support/lives.ts';

const FIRST_PASSWORD = 'First-Horse-6';
const CHANGE = { op: 'change', oldPassword: 'Old-Password-1' } as const;

/** As the next write is sent: the controller stops answering, for good or for a while. */
function goneAfterWrite({ domain, clock }: World, forMs = Number.POSITIVE_INFINITY): void {
  const [read, apply] = [domain.read.bind(domain), domain.apply.bind(domain)];
  let goneAt: number | undefined;
  const look = (): void => {
    if (goneAt !== undefined && clock.monotonic() - goneAt < forMs) domain.silent.add(DC1);
    else domain.silent.clear();
  };
  domain.read = (...args) => {
    look();
    return read(...args);
  };
  domain.apply = (...args) => {
    look();
    const result = apply(...args);
    goneAt ??= clock.monotonic();
    return result;
  };
}

function passwordsWritten({ domain }: Ended): readonly string[] {
  return domain.written.map(({ password }) => password);
}

describe('another operation on the account, which a crash had left open,', () => {
  /** The first one is cut off, and long ago by the time of the second. */
  function after(mishap: Mishap, told: string): Story {
    const firsts = new WeakMap<FakeDomain, CommandClaims>();
    return {
      metadata: true,
      before: async (world) => {
        const { rig, clock, domain, objectGuid } = world;
        const first = await rig.claims({ objectGuid, password: FIRST_PASSWORD });
        firsts.set(domain, first);
        await crash(world, first, mishap);
        clock.advance(28_000);
        return rig.claims({ objectGuid });
      },
      act: async (world, claims) => {
        world.clock.advance(11_000); // a young process waits for what the one before may have sent
        const answer = await ask(world, claims);
        const first = firsts.get(world.domain) ?? claims;
        expect((await ask(world, first)).outcome.code).toBe(told);
        return answer;
      },
    };
  }

  test('is written down once before a second one hides it, whichever step is the last', async () => {
    const whole = await dieAtEachStep(after('answer-lost', 'APPLIED'), (ended) => {
      expect(ended.outcome.code).toBe('APPLIED');
      expect(Object.values(codesOf(ended))).toEqual(['APPLIED', 'APPLIED']);
      expect(passwordsWritten(ended)).toEqual([FIRST_PASSWORD, NEW_PASSWORD]);
    });
    expect(whole.steps).toBeGreaterThanOrEqual(11);
  });

  test('never comes back over the second one, whichever step is the last', async () => {
    await dieAtEachStep(after('never-arrives', 'SUPERSEDED'), (ended) => {
      expect(ended.outcome.code).toBe('APPLIED');
      expect(Object.values(codesOf(ended)).sort()).toEqual(['APPLIED', 'SUPERSEDED']);
      expect(passwordsWritten(ended)).toEqual([NEW_PASSWORD]);
    });
  });
});

describe('an operation that nobody asks about any more', () => {
  test.each<[string, { mishap: Mishap; afterMs: number; code: string; written: string[] }]>([
    ['made', { mishap: 'answer-lost', afterMs: 28_000, code: 'APPLIED', written: [NEW_PASSWORD] }],
    ['not made', { mishap: 'never-arrives', afterMs: 330_000, code: 'EXPIRED', written: [] }],
  ])(
    '%s, is settled once, whichever step is the last',
    async (_what, { mishap, afterMs, code, written }) => {
      const story: Story = {
        metadata: true,
        before: async (world) => {
          const claims = await world.rig.claims({ objectGuid: world.objectGuid });
          await crash(world, claims, mishap);
          world.clock.advance(afterMs);
          return claims;
        },
        act: async ({ rig, clock }, { cmd }) => {
          while (rig.journal.open > 0) {
            clock.advance(5_000);
            await rig.commander.settleLeftOvers();
          }
          return rig.verify(await rig.journal.outcomeOf(cmd));
        },
      };
      const { steps } = await dieAtEachStep(story, (ended) => {
        expect(ended.outcome.code).toBe(code);
        expect(passwordsWritten(ended)).toEqual(written);
      });
      expect(steps).toBeGreaterThanOrEqual(4);
    },
  );
});

describe('a dispatch that is turned away', () => {
  test('after its intent leaves room for the one write of the next, whichever step is the last', async () => {
    const story: Story = {
      metadata: true,
      before: async ({ rig, domain, clock, objectGuid }) => {
        const claims = await rig.claims({ objectGuid });
        const read = domain.read.bind(domain);
        domain.read = async (...args) => {
          domain.read = read;
          const reading = await read(...args);
          clock.advance(claims.startWithinMs + 1_000);
          return reading;
        };
        return claims;
      },
    };
    const whole = await dieAtEachStep(story, (ended) => {
      expect(ended.outcome.code).toBe('APPLIED');
      expect(passwordsWritten(ended)).toEqual([NEW_PASSWORD]);
    });
    const types = whole.records.map(({ type }) => type);
    expect(types).toEqual(['intent', 'refusal', 'intent', 'outcome']);
  });

  test('as it comes, while there is a pause, is followed by one write, whichever step is the last', async () => {
    const story: Story = {
      metadata: true,
      before: async ({ rig, objectGuid }) => {
        await rig.toggle.offer(await rig.toggleStatement(1, false));
        return rig.claims({ objectGuid });
      },
      act: async (world, claims) => {
        const { rig } = world;
        if (!rig.toggle.state.enabled) {
          expect((await rig.dispatch(claims)).outcome.code).toBe('PAUSED');
          await rig.toggle.offer(await rig.toggleStatement(2, true));
        }
        return ask(world, claims);
      },
    };
    await dieAtEachStep(story, (ended) => {
      expect(ended.outcome.code).toBe('APPLIED');
      expect(passwordsWritten(ended)).toEqual([NEW_PASSWORD]);
    });
  });
});

describe('an operation that another agent had before', () => {
  /** What the other one did happens right after the command was prepared. */
  function afterAnother(
    controller: typeof DC1 | typeof DC2,
    theirs: (world: World) => void,
  ): Story {
    return {
      metadata: true,
      two: true,
      before: async (world) => {
        const { rig, clock, objectGuid } = world;
        const at = (ms: number): string => timestamp(clock.now() + ms);
        const attempts = [{ agent: randomUUID(), from: at(0), until: at(13_000), controller }];
        const claims = await rig.claims({ objectGuid, claims: { attempts } });
        theirs(world);
        return claims;
      },
    };
  }

  test('and has written is not written again, whichever step is the last', async () => {
    const story = afterAnother(DC1, ({ domain, objectGuid }) => {
      domain.resetByAdmin(objectGuid, NEW_PASSWORD);
    });
    const { steps } = await dieAtEachStep(story, (ended) => {
      expect(ended.outcome).toMatchObject({ code: 'APPLIED', inferred: true });
      expect(passwordsWritten(ended)).toEqual([]);
    });
    expect(steps).toBeGreaterThanOrEqual(4);
  });

  test('and has not written is written once, whichever step is the last', async () => {
    await dieAtEachStep(
      afterAnother(DC1, () => {}),
      (ended) => {
        expect(ended.outcome.code).toBe('APPLIED');
        expect(ended.outcome.reapplied).toBeUndefined();
        expect(passwordsWritten(ended)).toEqual([NEW_PASSWORD]);
      },
    );
  });

  test('on a controller that is silent now is written once elsewhere, and says so, whichever step is the last', async () => {
    const story = afterAnother(DC2, ({ domain, objectGuid }) => {
      domain.replicates = false;
      domain.resetByAdmin(objectGuid, NEW_PASSWORD, false, DC2);
      domain.silent.add(DC2);
    });
    await dieAtEachStep(story, (ended) => {
      expect(ended.outcome).toMatchObject({ code: 'APPLIED', reapplied: true, controller: DC1 });
      expect(ended.domain.written).toEqual([{ controller: DC1, password: NEW_PASSWORD }]);
    });
  });
});

describe('when the controller written to stops answering', () => {
  function gone(order: Partial<Order>, mishap: Mishap, replicates: boolean, forMs?: number): Story {
    return {
      metadata: true,
      two: true,
      mishap,
      before: async (world) => {
        const { rig, domain, objectGuid } = world;
        const claims = await rig.claims({ objectGuid, ...order });
        domain.replicates = replicates;
        goneAfterWrite(world, forMs);
        return claims;
      },
    };
  }

  test('the other one has the write by replication, whichever step is the last', async () => {
    const { outcome } = await dieAtEachStep(gone({}, 'answer-lost', true), (ended) => {
      expect(ended.outcome).toMatchObject({ code: 'APPLIED', inferred: true, controller: DC2 });
      expect(ended.domain.written).toEqual([{ controller: DC1, password: NEW_PASSWORD }]);
    });
    expect(outcome.reapplied).toBeUndefined();
  });

  test('before the write arrived, it is made once on the other one, whichever step is the last', async () => {
    await dieAtEachStep(gone({}, 'never-arrives', true), (ended) => {
      expect(ended.outcome).toMatchObject({ code: 'APPLIED', reapplied: true, controller: DC2 });
      expect(ended.domain.written).toEqual([{ controller: DC2, password: NEW_PASSWORD }]);
    });
  });

  test('before it replicated, both end up with the same password, whichever step is the last', async () => {
    await dieAtEachStep(gone({}, 'answer-lost', false), (ended) => {
      const { domain, objectGuid, outcome } = ended;
      expect(outcome).toMatchObject({ code: 'APPLIED', reapplied: true, controller: DC2 });
      expect(domain.written.map(({ controller }) => controller)).toEqual([DC1, DC2]);
      domain.silent.clear();
      domain.replicate();
      for (const each of [DC1, DC2] as const) {
        expect(domain.passwordOf(objectGuid, each)).toBe(NEW_PASSWORD);
      }
    });
  });

  test.each<Mishap>(['answer-lost', 'never-arrives'])(
    'a change (%s) waits until it is back and is made once, whichever step is the last',
    async (mishap) => {
      await dieAtEachStep(gone(CHANGE, mishap, false, 15_000), (ended) => {
        expect(ended.outcome).toMatchObject({ code: 'APPLIED', controller: DC1 });
        expect(ended.domain.written).toEqual([{ controller: DC1, password: NEW_PASSWORD }]);
      });
    },
  );
});

describe('must-change where nothing tells one 0 from another', () => {
  test.each<[string, Mishap | undefined]>([
    ['answered', undefined],
    ['whose answer was lost', 'answer-lost'],
    ['carried out late', { lateByMs: 3_000 }],
    ['that never arrived', 'never-arrives'],
  ])(
    'a write %s is repeated only with the same password, and says so, whichever step is the last',
    async (_what, mishap) => {
      const story: Story = {
        metadata: false,
        ...(mishap !== undefined && { mishap }),
        before: ({ rig, domain, objectGuid }) => {
          domain.touch(objectGuid, { pwdLastSet: '0' });
          return rig.claims({ objectGuid, claims: { mustChange: true } });
        },
      };
      await dieAtEachStep(story, (ended) => {
        const { domain, objectGuid, outcome } = ended;
        expect(outcome.code).toBe('APPLIED');
        expect(new Set(passwordsWritten(ended))).toEqual(new Set([NEW_PASSWORD]));
        expect(domain.written.length > 1).toBe(outcome.reapplied === true);
        expect(domain.written.length).toBeLessThanOrEqual(3);
        expect(domain.passwordOf(objectGuid)).toBe(NEW_PASSWORD);
      });
    },
  );
});
