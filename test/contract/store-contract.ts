import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Baseline } from '../../src/protocol/account.ts';
import type {
  AgentRecord,
  DispatchRecord,
  PreparedOperation,
} from '../../src/cloud/store/records.ts';
import type { Store } from '../../src/cloud/store/store.ts';

const NOW = Date.UTC(2030, 0, 1);
const KID = 'k'.repeat(43);
const KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'x'.repeat(43),
  y: 'y'.repeat(43),
  kid: KID,
  alg: 'ES256',
  use: 'sig',
} as const;

/** What every adapter of `Store` promises, whatever is underneath. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`a store on ${name}`, () => {
    let store: Store;

    beforeEach(async () => {
      store = await open();
      await store.directories.add({ id: 'corp', createdAt: NOW, toggle: toggle(1, true) });
    });

    afterEach(() => store[Symbol.asyncDispose]());

    test('answers', async () => {
      await store.ping();
    });

    test('takes a directory once', async () => {
      const again = { id: 'corp', createdAt: NOW + 1, toggle: toggle(1, false) };
      expect(await store.directories.add(again)).toBe(false);
      expect((await store.directories.find('corp'))?.createdAt).toBe(NOW);
      expect(await store.directories.find('other')).toBeUndefined();
      expect(await store.directories.list()).toHaveLength(1);
    });

    test('tells once that a timed pause is over, and never of one that was replaced', async () => {
      const paused = { ...toggle(NOW, false), until: NOW + 60 };
      await store.directories.setToggle('corp', paused, 1);
      expect((await store.directories.find('corp'))?.toggle).toEqual(paused);
      expect(await store.directories.unnotedEnds(NOW + 59)).toEqual([]);
      expect(await store.directories.unnotedEnds(NOW + 60)).toMatchObject([{ toggle: paused }]);
      expect(await store.directories.noteEnd('corp', 1)).toBe(false);
      expect(await store.directories.noteEnd('corp', NOW)).toBe(true);
      expect(await store.directories.noteEnd('corp', NOW)).toBe(false);
      expect(await store.directories.unnotedEnds(NOW + 60)).toEqual([]);
      const again = { ...toggle(NOW + 1, false), until: NOW + 90 };
      await store.directories.setToggle('corp', again, NOW);
      expect(await store.directories.unnotedEnds(NOW + 90)).toMatchObject([{ toggle: again }]);
      await store.directories.setToggle('corp', toggle(NOW + 2, true), NOW + 1);
      expect(await store.directories.unnotedEnds(NOW + 90)).toEqual([]);
    });

    test('replaces a toggle only by who has seen the last one', async () => {
      expect(await store.directories.setToggle('corp', toggle(NOW + 1, false), 2)).toBe(false);
      expect(await store.directories.setToggle('corp', toggle(NOW, false), 1)).toBe(true);
      expect(await store.directories.setToggle('corp', toggle(NOW + 1, true), 1)).toBe(false);
      expect((await store.directories.find('corp'))?.toggle).toEqual(toggle(NOW, false));
    });

    test('keeps an agent as it was given, and changes only what it is told to', async () => {
      expect(await store.agents.add(sampleAgent('a'))).toBe(true);
      expect(await store.agents.find('a')).toEqual(sampleAgent('a'));
      const trail = { epoch: 'e', seq: 3, head: KID, seen: 4, ahead: [] };
      const sealingReplaced = { statement: 'd.e.f', at: NOW };
      const change = { state: 'approved', decidedAt: NOW, trail, sealingReplaced } as const;
      await store.agents.update('a', change);
      expect(await store.agents.find('a')).toEqual({ ...sampleAgent('a'), ...change });
      await store.agents.update('a', {});
      expect(await store.agents.list('corp')).toHaveLength(1);
      expect(await store.agents.list('other')).toHaveLength(0);
      expect(await store.agents.count()).toBe(1);
    });

    test('tells of an agent who it is and how it stands, without the rest of it', async () => {
      const { id, directory, deviceKey, state } = sampleAgent('a');
      await store.agents.add(sampleAgent('a'));
      expect(await store.agents.identity('a')).toEqual({ id, directory, deviceKey, state });
      expect(await store.agents.standing('a')).toEqual({ state });
      const trail = { epoch: 'e', seq: 1, head: 'h', seen: 1, ahead: [] };
      await store.agents.update('a', { state: 'approved', trail });
      expect(await store.agents.identity('a')).toMatchObject({ state: 'approved' });
      expect(await store.agents.standing('a')).toEqual({ state: 'approved', trail });
      expect(await store.agents.trail('a')).toEqual(trail);
      expect(await store.agents.identity('nobody')).toBeUndefined();
      expect(await store.agents.standing('nobody')).toBeUndefined();
    });

    test('tells of the approved agents of a directory what others have to know of them', async () => {
      const known = (id: string): AgentRecord => ({
        ...sampleAgent(id),
        deviceKey: { ...KEY, kid: id },
        state: 'approved',
      });
      await store.agents.add({ ...known('later'), enrolledAt: NOW + 1 });
      await store.agents.add(sampleAgent('pending'));
      await store.agents.add(known('first'));
      const { deviceKey, sealingStatement } = known('first');
      const [first, ...others] = await store.agents.peers('corp');
      expect(first).toEqual({ id: 'first', deviceKey, sealingStatement });
      expect(others.map(({ id }) => id)).toEqual(['later']);
      expect(await store.agents.peers('nothing')).toEqual([]);
    });

    test('keeps by whom an agent was disabled and why, and forgets it when told to', async () => {
      const disabled = { at: NOW, by: 'anna', reason: 'a move' };
      await store.agents.add({ ...sampleAgent('a'), state: 'approved' });
      expect(await store.agents.decided(0)).toEqual([]);
      await store.agents.update('a', { disabled });
      await store.agents.update('a', { seenAt: NOW }); // as every other change: it says nothing of it
      const known = { state: 'approved', disabled };
      expect(await store.agents.find('a')).toMatchObject(known);
      expect(await store.agents.identity('a')).toMatchObject(known);
      expect(await store.agents.standing('a')).toEqual(known);
      expect(await store.agents.decided(NOW + 1)).toEqual([{ id: 'a', ...known }]);
      expect(await store.agents.peers('corp')).toHaveLength(1);
      await store.agents.update('a', { disabled: undefined });
      expect(await store.agents.find('a')).toEqual({
        ...sampleAgent('a'),
        ...{ state: 'approved', seenAt: NOW },
      });
      expect(await store.agents.decided(NOW + 1)).toEqual([]);
    });

    test('takes a device key once', async () => {
      await store.agents.add(sampleAgent('a'));
      expect(await store.agents.add(sampleAgent('b'))).toBe(false);
      expect(await store.agents.find('b')).toBeUndefined();
    });

    test('gives an enrolment secret up to the first who uses it', async () => {
      await store.enrollments.add({
        id: 't',
        directory: 'corp',
        secret: 'wrapped',
        createdBy: 'anna',
        expiresAt: NOW,
        failures: 0,
      });
      expect((await store.enrollments.find('t'))?.secret).toBe('wrapped');
      expect(await store.enrollments.fail('t')).toBe(1);
      expect(await store.enrollments.fail('t')).toBe(2);
      expect(await store.enrollments.use('t')).toBe(true);
      expect(await store.enrollments.use('t')).toBe(false);
      expect(await store.enrollments.find('t')).not.toHaveProperty('secret');
      expect(await store.enrollments.fail('nobody')).toBe(0);
    });

    test('finds an API key by the hash of it only', async () => {
      const key = {
        id: 'k',
        directory: 'corp',
        scopes: ['reset', 'unlock'] as const,
        actor: 'helpdesk',
        createdAt: NOW,
      };
      await store.apiKeys.add(key, 'hash');
      expect(await store.apiKeys.findByHash('hash')).toEqual(key);
      expect(await store.apiKeys.findByHash('k')).toBeUndefined();
      expect(await store.apiKeys.list()).toEqual([key]);
      expect(await store.apiKeys.remove('nothing')).toBeUndefined();
      expect(await store.apiKeys.remove('k')).toEqual(key);
      expect(await store.apiKeys.findByHash('hash')).toBeUndefined();
    });

    test('submits a prepared operation once', async () => {
      await store.operations.prepare(sampleOperation('o'));
      expect(await store.operations.find('o')).toEqual({
        ...sampleOperation('o'),
        state: 'prepared',
        final: false,
      });
      expect(await store.operations.unfinished()).toHaveLength(0);
      const submit = (id: string, content: string) =>
        store.operations.submit([{ id, content, secret: 'wrapped' }]);
      expect(await submit('o', 'digest')).toEqual(new Set(['o']));
      expect(await submit('o', 'other')).toEqual(new Set());
      expect(await submit('nothing', 'digest')).toEqual(new Set());
      expect(await store.operations.unfinished()).toMatchObject([
        { id: 'o', state: 'pending', content: 'digest', secret: 'wrapped' },
      ]);
      expect(await store.operations.countPending()).toEqual(new Map([['corp', 1]]));
      expect(await store.operations.countPending('corp')).toEqual(new Map([['corp', 1]]));
      expect(await store.operations.countPending('elsewhere')).toEqual(new Map());
    });

    test('submits several operations, each with its first dispatch, which goes with it only', async () => {
      for (const id of ['a', 'b', 'late']) await store.operations.prepare(sampleOperation(id));
      await store.operations.submit([{ id: 'late', content: 'earlier' }]);
      const submitted = await store.operations.submit(
        ['a', 'b', 'late'].map((id) => {
          const relay = id === 'b' ? { relay: { node: 'n', command: 'wrapped' } } : {};
          const first = { ...dispatch(`d-${id}`, NOW), operation: id, ...relay };
          return { id, content: `"${id}"`, runner: 'n', dispatch: first };
        }),
      );
      expect([...submitted].sort()).toEqual(['a', 'b']);
      expect(await store.operations.find('a')).toMatchObject({ state: 'pending', content: '"a"' });
      expect((await store.operations.find('late'))?.content).toBe('earlier');
      const dispatches = await store.operations.dispatchesOf(['a', 'b', 'late', 'nothing']);
      expect(dispatches.get('a')).toEqual([{ ...dispatch('d-a', NOW), operation: 'a' }]);
      expect(dispatches.get('b')).toEqual([{ ...dispatch('d-b', NOW), operation: 'b' }]);
      expect(dispatches.get('late')).toEqual([]);
    });

    test('settles several dispatches, and ends operations that have not ended, each with its entry', async () => {
      const applied = { state: 'applied', final: true, code: 'APPLIED', signed: 'x.y.z' } as const;
      for (const id of ['a', 'open', 'over']) {
        await store.operations.prepare(sampleOperation(id));
        await store.operations.submit([
          {
            id,
            content: 'c',
            secret: 's',
            dispatch: { ...dispatch(`d-${id}`, NOW), operation: id },
          },
        ]);
      }
      const detail = { cmd: 'a', final: true, at: 1 };
      const entry = {
        at: NOW,
        directory: 'corp',
        actor: 'anna',
        action: 'operation.applied',
        detail,
      };
      await store.operations.finish('over', { state: 'refused', final: true }, NOW);
      const settled = await store.operations.settle(
        ['a', 'open', 'over'].map((id) => ({
          ...{ jti: `d-${id}`, answeredAt: NOW + 1, code: 'APPLIED', answer: 'x.y.z' },
          ...(id !== 'open' && { ending: { id, result: applied, at: NOW + 1, entry } }),
        })),
      );
      expect([...settled]).toEqual(['a']);
      const found = await store.operations.find('a');
      expect(found).toMatchObject({ final: true, result: applied, finishedAt: NOW + 1 });
      expect(found).not.toHaveProperty('secret');
      expect(await store.operations.find('open')).toMatchObject({ state: 'pending', secret: 's' });
      expect((await store.operations.find('over'))?.state).toBe('refused');
      for (const id of ['a', 'open', 'over']) {
        expect(await store.operations.dispatches(id)).toMatchObject([
          { answeredAt: NOW + 1, code: 'APPLIED', answer: 'x.y.z' },
        ]);
      }
      const { entries } = await store.audit.page('corp', 10);
      expect(entries).toEqual([{ ...entry, seq: expect.any(Number) as number }]);
    });

    test('an unknown result that is not final keeps the sealed secret', async () => {
      await store.operations.prepare(sampleOperation('o'));
      await store.operations.submit([
        { id: 'o', content: 'c', secret: 's', dispatch: dispatch('d', NOW) },
      ]);
      const entry = { at: NOW, directory: 'corp', actor: 'anna', action: 'operation.unknown' };
      const result = { state: 'unknown', final: false } as const;
      const ending = { id: 'o', result, at: NOW, entry };
      const answer = { jti: 'd', answeredAt: NOW, code: 'INDETERMINATE', answer: 'x' } as const;
      expect((await store.operations.settle([{ ...answer, ending }])).size).toBe(1);
      expect(await store.operations.find('o')).toMatchObject({ state: 'unknown', secret: 's' });
    });

    test('finds what is asked for at one time, each of its own', async () => {
      for (const id of ['a', 'b']) await store.operations.prepare(sampleOperation(id));
      const found = await Promise.all(
        ['b', 'nothing', 'a', 'b'].map((id) => store.operations.find(id)),
      );
      expect(found.map((each) => each?.id)).toEqual(['b', undefined, 'a', 'b']);
    });

    test('deletes the sealed secret with the final result, and lets nothing change that', async () => {
      await store.operations.prepare(sampleOperation('o'));
      await store.operations.submit([{ id: 'o', content: 'digest', secret: 'wrapped' }]);
      await store.operations.finish('o', { state: 'unknown', final: false }, NOW);
      expect(await store.operations.find('o')).toMatchObject({
        state: 'unknown',
        secret: 'wrapped',
      });
      expect(await store.operations.unfinished()).toHaveLength(1);
      const applied = { state: 'applied', final: true, code: 'APPLIED' } as const;
      expect(await store.operations.finish('o', applied, NOW)).toBe(true);
      expect(await store.operations.finish('o', { state: 'refused', final: true }, NOW)).toBe(
        false,
      );
      const found = await store.operations.find('o');
      expect(found).toMatchObject({ state: 'applied', final: true, finishedAt: NOW });
      expect(found).not.toHaveProperty('secret');
      expect(await store.operations.unfinished()).toHaveLength(0);
    });

    test('gives up what was never submitted in time, and nothing else', async () => {
      await store.operations.prepare(sampleOperation('late'));
      await store.operations.prepare({ ...sampleOperation('early'), notAfter: NOW + 10 });
      await store.operations.prepare(sampleOperation('sent'));
      await store.operations.submit([{ id: 'sent', content: 'digest' }]);
      expect(await store.operations.expirePrepared(NOW + 5)).toBe(1);
      expect((await store.operations.find('late'))?.state).toBe('expired');
      expect((await store.operations.find('early'))?.state).toBe('prepared');
      expect((await store.operations.find('sent'))?.state).toBe('pending');
      expect(await store.operations.forgetUnsubmitted(NOW)).toBe(0);
      expect(await store.operations.forgetUnsubmitted(NOW + 1)).toBe(1);
      expect(await store.operations.find('late')).toBeUndefined();
      expect(await store.operations.find('sent')).toBeDefined();
    });

    test('deletes what was final long ago with its dispatches, so many at a time', async () => {
      for (const id of ['a', 'b', 'c', 'young', 'unknown']) {
        await store.operations.prepare(sampleOperation(id));
        await store.operations.submit([{ id, content: 'digest' }]);
        await store.operations.addDispatch({ ...dispatch(`jti-${id}`, NOW), operation: id });
        const final = id !== 'unknown';
        const at = id === 'young' ? NOW + 10 : NOW;
        await store.operations.finish(id, { state: 'unknown', final }, at);
      }
      expect(await store.operations.purge(NOW + 10, 2)).toBe(2);
      expect(await store.operations.purge(NOW + 10, 2)).toBe(1);
      expect(await store.operations.purge(NOW + 10, 2)).toBe(0);
      expect(await store.operations.find('a')).toBeUndefined();
      expect(await store.operations.dispatches('a')).toEqual([]);
      for (const id of ['young', 'unknown']) {
        expect(await store.operations.find(id)).toBeDefined();
        expect(await store.operations.dispatches(id)).toHaveLength(1);
      }
    });

    test('deletes old entries of the audit, so many at a time', async () => {
      for (const at of [NOW, NOW + 1, NOW + 2, NOW + 3]) {
        await store.audit.append({ at, directory: 'corp', actor: 'anna', action: 'a.b' });
      }
      expect(await store.audit.purge(NOW + 3, 2)).toBe(2);
      expect(await store.audit.purge(NOW + 3, 2)).toBe(1);
      const { entries } = await store.audit.page('corp', 10);
      expect(entries.map(({ at }) => at)).toEqual([NOW + 3]);
    });

    test('keeps dispatches in order and marks the open ones lost', async () => {
      await store.operations.prepare(sampleOperation('o'));
      await store.operations.addDispatch(dispatch('d2', NOW + 2));
      await store.operations.addDispatch(dispatch('d1', NOW + 1));
      await store.operations.updateDispatch('d1', {
        answeredAt: NOW + 3,
        code: 'PAUSED',
        answer: 'a.b.c',
      });
      await store.operations.loseDispatches(NOW + 4);
      await store.operations.loseDispatches(NOW + 5);
      expect(await store.operations.dispatches('o')).toEqual([
        { ...dispatch('d1', NOW + 1), answeredAt: NOW + 3, code: 'PAUSED', answer: 'a.b.c' },
        { ...dispatch('d2', NOW + 2), lostAt: NOW + 4 },
      ]);
    });

    test('keeps the first time at which a dispatch was lost, unless its runner says otherwise', async () => {
      await store.operations.prepare(sampleOperation('o'));
      await store.operations.addDispatch(dispatch('d1', NOW + 1));
      const lost = async (): Promise<number | undefined> =>
        (await store.operations.dispatches('o'))[0]?.lostAt;
      await store.operations.updateDispatch('d1', { lostAt: NOW + 5 });
      await store.operations.updateDispatch('d1', { lostAt: NOW + 3, controller: 'dc1' });
      await store.operations.updateDispatch('d1', { lostAt: NOW + 9 });
      expect(await lost()).toBe(NOW + 5);
      await store.operations.loseDispatch('d1', NOW + 2);
      expect(await lost()).toBe(NOW + 2);
    });

    test('pages the audit from the newest', async () => {
      for (const action of ['a.one', 'a.two', 'a.three']) {
        await store.audit.append({ at: NOW, directory: 'corp', actor: 'anna', action });
      }
      const first = await store.audit.page('corp', 2);
      expect(first.entries.map(({ action }) => action)).toEqual(['a.three', 'a.two']);
      const second = await store.audit.page('corp', 2, first.next);
      expect(second.entries.map(({ action }) => action)).toEqual(['a.one']);
      expect(second.next).toBeUndefined();
    });

    test('forgets all of a transaction that fails', async () => {
      const failed = store.atomically(async (inside) => {
        await inside.agents.add(sampleAgent('a'));
        throw new Error('stop');
      });
      await expect(failed).rejects.toThrow('stop');
      expect(await store.agents.find('a')).toBeUndefined();
    });
  });
}

function toggle(version: number, enabled: boolean) {
  return { version, enabled, reason: 'why', by: 'anna', at: NOW };
}

/** A pending agent of the directory `corp`. */
export function sampleAgent(id: string): AgentRecord {
  return {
    id,
    directory: 'corp',
    name: 'SRV',
    version: '0.1.0',
    deviceKey: KEY,
    sealingKey: KEY,
    sealingStatement: 'a.b.c',
    sealingSince: NOW,
    state: 'pending',
    enrolledAt: NOW,
  };
}

const BASELINE: Baseline = {
  pwdLastSet: '0',
  lockoutTime: '0',
  controller: 'dc1.corp.example',
  controllerTime: '2030-01-01T00:00:00.000Z',
};

/** An operation of the directory `corp`. */
export function sampleOperation(id: string): PreparedOperation {
  return {
    id,
    directory: 'corp',
    apiKey: 'k',
    actor: 'helpdesk',
    by: 'admin',
    op: 'reset',
    objectGuid: 'g',
    options: { unlock: true, mustChange: false },
    baseline: BASELINE,
    notAfter: NOW,
    createdAt: NOW,
    recipients: [{ agent: 'a', kid: KID }],
  };
}

function dispatch(jti: string, at: number): DispatchRecord {
  return { jti, operation: 'o', agent: 'a', session: 's', token: KID, at };
}
