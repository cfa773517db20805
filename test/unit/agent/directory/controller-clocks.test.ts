import { describe, expect, test } from 'vitest';
import { ControllerClocks } from '../../../../src/agent/directory/controller-clocks.ts';
import { ControllerFacts } from '../../../../src/agent/directory/controller-facts.ts';
import type { LdapConnection } from '../../../../src/agent/directory/ldap-connection.ts';
import type { Asking } from '../../../../src/agent/directory/queries.ts';
import type { ControllerProfile } from '../../../../src/agent/directory/root-dse.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const START = Date.UTC(2030, 0, 1);
const ID = '00000000-0000-4000-8000-0000000000d1';
/** The same as its bytes are stored (MS-DTYP 2.3.4.2). */
const ID_BYTES = Buffer.from('000000000000004080000000000000d1', 'hex');
const PROFILE = { settingsDn: 'CN=NTDS Settings,CN=DC1' } as ControllerProfile;

/** Says the time `slowMs` after it was asked, and that is heard `lateMs` after it was said. */
function controllerThat(clock: FakeClock, { slowMs = 0, lateMs = 0 }): Asking {
  const search = async (base: string) => {
    if (base !== '') return [{ dn: base, invocationId: ID_BYTES }];
    clock.advance(slowMs);
    const said = `${new Date(clock.now()).toISOString().replaceAll(/[-:T]|\..*/g, '')}.0Z`;
    clock.advance(lateMs);
    return [{ dn: '', currentTime: said }];
  };
  const connection = { search } as unknown as LdapConnection;
  const { signal } = new AbortController();
  return { connection, controller: 'dc1.corp.test', ms: 4_000, signal };
}

describe("a controller's clock", () => {
  test.each([
    [0, 2_600],
    [2_600, 0],
    [1_300, 1_300],
  ])(
    'said %i ms after the question and heard %i ms later may be that much later',
    async (slowMs, lateMs) => {
      const clock = new FakeClock(START);
      const facts = new ControllerFacts(clock);
      const now = await facts.currentTime(controllerThat(clock, { slowMs, lateMs }));
      clock.advance(1_000);
      const { ms, unsureMs } = now();
      expect(unsureMs).toBe(2_600);
      expect(ms).toBeLessThanOrEqual(clock.now());
      // It is told in whole seconds.
      expect(ms + unsureMs + 999).toBeGreaterThanOrEqual(clock.now());
    },
  );

  test('that is answered at once is sure', async () => {
    const clock = new FakeClock(START);
    const now = await new ControllerFacts(clock).currentTime(controllerThat(clock, {}));
    expect(now()).toEqual({ ms: START, unsureMs: 0 });
  });

  test('is known by whom it signs its writes as, and for as long as an operation lives', async () => {
    const clock = new FakeClock(START);
    const clocks = new ControllerClocks(clock);
    const facts = new ControllerFacts(clock);
    expect(clocks.of(ID)).toBeUndefined();
    await facts.identify(controllerThat(clock, {}), PROFILE, clocks);
    facts.forget(); // it is down
    clock.advance(5 * 60_000);
    expect(clocks.of(ID)).toEqual({ ms: clock.now(), unsureMs: 0 });
    clock.advance(5 * 60_000);
    expect(clocks.of(ID)).toBeUndefined();
  });
});
