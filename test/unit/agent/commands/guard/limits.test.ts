import { beforeEach, expect, test } from 'vitest';
import type { LimitSettings } from '../../../../../src/agent/commands/guard/guard-settings.ts';
import { Limits, type EarlierOperation } from '../../../../../src/agent/commands/guard/limits.ts';
import { Refusal } from '../../../../../src/agent/commands/outcomes.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MANY = 1_000;

const SETTINGS: LimitSettings = {
  perAccount: MANY,
  perActor: { self: MANY, admin: MANY },
  overall: MANY,
  wrongPasswords: MANY,
  inspections: { self: MANY, admin: MANY },
};

let clock: FakeClock;
let made = 0;

beforeEach(() => {
  clock = new FakeClock(START);
});

function limits(settings: Partial<LimitSettings>): Limits {
  return new Limits({ ...SETTINGS, ...settings }, clock);
}

/** A new operation, of another account and another actor than every one before unless named. */
function operation(facts: Partial<EarlierOperation> = {}): EarlierOperation {
  made += 1;
  const [cmd, objectGuid, actor] = [`cmd-${made}`, `account-${made}`, `actor-${made}`];
  return { cmd, objectGuid, actor, op: 'reset', by: 'admin', at: clock.now(), ...facts };
}

/** From when on it would be taken, in minutes after the start; undefined when it is taken. */
function refusedUntil(work: () => void): number | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    expect(error.code).toBe('RATE_LIMITED');
    return (Date.parse(error.details.notBefore ?? '') - START) / MINUTE;
  }
}

test.each<[string, Partial<LimitSettings>, Partial<EarlierOperation>]>([
  ['an account', { perAccount: 3 }, { objectGuid: 'ann' }],
  ['an admin', { perActor: { self: MANY, admin: 3 } }, { actor: 'desk' }],
  ['a person', { perActor: { self: 3, admin: MANY } }, { actor: 'ann', by: 'self' }],
  ['everybody together', { overall: 3 }, {}],
])(
  '%s has as much per hour as is set, then the time is told, then there is room',
  (_, set, facts) => {
    const limited = limits(set);
    for (let i = 0; i < 3; i++) {
      expect(
        refusedUntil(() => {
          limited.take(operation(facts));
        }),
      ).toBeUndefined();
      clock.advance(10 * MINUTE);
    }
    expect(
      refusedUntil(() => {
        limited.take(operation(facts));
      }),
    ).toBe(60);
    clock.advance(30 * MINUTE - 1);
    expect(
      refusedUntil(() => {
        limited.take(operation(facts));
      }),
    ).toBe(60);
    clock.advance(1);
    expect(
      refusedUntil(() => {
        limited.take(operation(facts));
      }),
    ).toBeUndefined();
    expect(
      refusedUntil(() => {
        limited.take(operation(facts));
      }),
    ).toBe(70);
  },
);

test('one account, one actor or one kind of caller does not use up the room of another', () => {
  const limited = limits({ perAccount: 1, perActor: { self: 1, admin: 1 } });
  limited.take(operation({ objectGuid: 'ann', actor: 'x', by: 'self' }));
  limited.take(operation({ objectGuid: 'ben', actor: 'x', by: 'admin' }));
  limited.take(operation({ objectGuid: 'cem', actor: 'y', by: 'admin' }));
  expect(
    refusedUntil(() => {
      limited.take(operation({ objectGuid: 'ann' }));
    }),
  ).toBe(60);
  expect(
    refusedUntil(() => {
      limited.take(operation({ actor: 'y' }));
    }),
  ).toBe(60);
});

test('repeats of one operation count once, and are taken when there is no room for others', () => {
  const limited = limits({ perAccount: 2, perActor: { self: 2, admin: 2 }, overall: 2 });
  const first = operation({ objectGuid: 'ann', actor: 'x' });
  for (let i = 0; i < 5; i++) limited.take(first);
  limited.take(operation({ objectGuid: 'ann', actor: 'x' }));
  expect(
    refusedUntil(() => {
      limited.take(operation());
    }),
  ).toBe(60);
  expect(
    refusedUntil(() => {
      limited.take(first);
    }),
  ).toBeUndefined();
});

test('what was refused does not count, so insisting prolongs nothing', () => {
  const limited = limits({ perAccount: 1 });
  limited.take(operation({ objectGuid: 'ann' }));
  clock.advance(59 * MINUTE);
  for (let i = 0; i < 5; i++) {
    expect(
      refusedUntil(() => {
        limited.take(operation({ objectGuid: 'ann' }));
      }),
    ).toBe(60);
  }
  clock.advance(MINUTE);
  expect(
    refusedUntil(() => {
      limited.take(operation({ objectGuid: 'ann' }));
    }),
  ).toBeUndefined();
});

test.each([
  ['the account', { objectGuid: 'ann' }, { actor: 'x' }],
  ['the actor', { actor: 'x' }, { objectGuid: 'ann' }],
])('with several limits reached, %s first, the time is when the last has room', (_, one, two) => {
  const limited = limits({ perAccount: 1, perActor: { self: 1, admin: 1 } });
  limited.take(operation(one));
  clock.advance(5 * MINUTE);
  limited.take(operation(two));
  const both = operation({ objectGuid: 'ann', actor: 'x' });
  expect(
    refusedUntil(() => {
      limited.take(both);
    }),
  ).toBe(65);
});

test('after a restart the operations of the last hour count, older ones do not', () => {
  const limited = limits({ perAccount: 2 });
  const ago = (minutes: number): number => START - minutes * MINUTE;
  limited.restore([
    operation({ objectGuid: 'ann', at: ago(61) }),
    operation({ objectGuid: 'ann', at: ago(60) }),
    operation({ objectGuid: 'ann', at: ago(59) }),
    operation({ objectGuid: 'ann', at: ago(10) }),
  ]);
  expect(
    refusedUntil(() => {
      limited.take(operation({ objectGuid: 'ann' }));
    }),
  ).toBe(1);
});

test('a wrong old password of an hour before a restart is forgotten with its hour', () => {
  const limited = limits({ wrongPasswords: 1 });
  const policy = { source: 'domain', lockoutThreshold: 0 } as const;
  const wrong = { objectGuid: 'ann', op: 'change', code: 'WRONG_PASSWORD' } as const;
  limited.restore([operation({ ...wrong, at: START - HOUR })]);
  limited.checkChange('ann', policy);
  limited.restore([operation({ ...wrong, at: START - HOUR + 1 })]);
  expect(() => {
    limited.checkChange('ann', policy);
  }).toThrow(Refusal);
});

test('an operation from before the restart is known when it comes again', () => {
  const limited = limits({ perAccount: 1 });
  const known = operation({ objectGuid: 'ann' });
  limited.restore([known]);
  expect(
    refusedUntil(() => {
      limited.take(known);
    }),
  ).toBeUndefined();
});

test('setting the clock neither frees anything nor holds it longer than an hour', () => {
  const limited = limits({ perAccount: 1 });
  limited.take(operation({ objectGuid: 'ann' }));
  clock.setNow(START + 5 * HOUR);
  expect(
    refusedUntil(() => {
      limited.take(operation({ objectGuid: 'ann' }));
    }),
  ).toBe(360);
  clock.setNow(START - 5 * HOUR);
  const restarted = limits({ perAccount: 1 });
  restarted.restore([operation({ objectGuid: 'ann', at: START })]);
  expect(
    refusedUntil(() => {
      restarted.take(operation({ objectGuid: 'ann' }));
    }),
  ).toBe(-240);
});

test.each<[string, number | undefined, number, number]>([
  ['a threshold above the limit', 10, 3, 3],
  ['a threshold at the limit: one less, or the account would be locked', 3, 3, 2],
  ['a threshold of two', 2, 3, 1],
  ['no lockout at all', 0, 3, 3],
  ['a threshold that cannot be read', undefined, 3, 2],
  ['a threshold that cannot be read, and a lower limit', undefined, 1, 1],
])(
  'with %s so many wrong old passwords are borne',
  (_, lockoutThreshold, wrongPasswords, borne) => {
    const limited = limits({ wrongPasswords });
    const policy = {
      source: 'domain' as const,
      ...(lockoutThreshold !== undefined && { lockoutThreshold }),
    };
    for (let i = 0; i < borne; i++) {
      expect(
        refusedUntil(() => {
          limited.checkChange('ann', policy);
        }),
      ).toBeUndefined();
      limited.ended(operation({ objectGuid: 'ann', op: 'change' }), 'WRONG_PASSWORD');
    }
    expect(
      refusedUntil(() => {
        limited.checkChange('ann', policy);
      }),
    ).toBe(60);
    expect(
      refusedUntil(() => {
        limited.checkChange('ben', policy);
      }),
    ).toBeUndefined();
    clock.advance(HOUR);
    expect(
      refusedUntil(() => {
        limited.checkChange('ann', policy);
      }),
    ).toBeUndefined();
  },
);

test('where one wrong password locks the account, no change is tried', () => {
  const policy = { source: 'domain', lockoutThreshold: 1 } as const;
  expect(() => {
    limits({}).checkChange('ann', policy);
  }).toThrow(expect.objectContaining({ code: 'OPERATION_NOT_ALLOWED' }));
});

test('a change whose answer was lost may have been wrong, before and after a restart; others are not', () => {
  const policy = { source: 'domain', lockoutThreshold: 0 } as const;
  const change = (code?: EarlierOperation['code']): EarlierOperation =>
    operation({ objectGuid: 'ann', op: 'change', ...(code !== undefined && { code }) });
  const limited = limits({ wrongPasswords: 2 });
  limited.restore([change('APPLIED'), change('PASSWORD_POLICY'), operation({ objectGuid: 'ann' })]);
  limited.ended(operation({ objectGuid: 'ann', op: 'reset' }), 'INDETERMINATE');
  limited.restore([change()]);
  expect(
    refusedUntil(() => {
      limited.checkChange('ann', policy);
    }),
  ).toBeUndefined();
  limited.ended(change(), 'INDETERMINATE');
  expect(
    refusedUntil(() => {
      limited.checkChange('ann', policy);
    }),
  ).toBe(60);
});

test('questions are limited per caller, and so are questions for operations that there is no room for', () => {
  const limited = limits({
    inspections: { self: 2, admin: 3 },
    perActor: { self: 1, admin: MANY },
  });
  const person = { by: 'self', actor: 'ann' } as const;
  limited.takeInspection(person, 'one');
  limited.takeInspection(person, 'two');
  expect(
    refusedUntil(() => {
      limited.takeInspection(person, 'three');
    }),
  ).toBe(60);
  const admin = { by: 'admin', actor: 'ann' } as const;
  for (const id of ['one', 'two', 'three']) limited.takeInspection(admin, id);
  expect(
    refusedUntil(() => {
      limited.takeInspection(admin, 'four');
    }),
  ).toBe(60);
  limited.take(operation({ by: 'self', actor: 'ben' }));
  expect(
    refusedUntil(() => {
      limited.takeInspection({ by: 'self', actor: 'ben' }, 'five');
    }),
  ).toBe(60);
});

test('asking whether there is room on an account takes none', () => {
  const limited = limits({ perAccount: 1 });
  for (let i = 0; i < 5; i++) limited.checkAccount('ann');
  limited.take(operation({ objectGuid: 'ann' }));
  expect(
    refusedUntil(() => {
      limited.checkAccount('ann');
    }),
  ).toBe(60);
});
