import { describe, expect, test } from 'vitest';
import type { SrvRecord } from 'node:dns';
import { findControllers } from '../../../../src/agent/directory/srv-discovery.ts';

type Zone = Readonly<Record<string, readonly Partial<SrvRecord>[] | string>>;

const ALL = '_ldap._tcp.dc._msdcs.corp.test';
const PDC = '_ldap._tcp.pdc._msdcs.corp.test';
const BERLIN = '_ldap._tcp.berlin._sites.dc._msdcs.corp.test';

function srv(name: string, priority = 0, weight = 100): Partial<SrvRecord> {
  return { name, priority, weight, port: 389 };
}

function find(zone: Zone, options: { site?: string; random?: () => number } = {}) {
  const { random = () => 0, ...site } = options;
  const resolveSrv = (name: string): Promise<SrvRecord[]> => {
    const answer = zone[name] ?? 'ENOTFOUND';
    return typeof answer === 'string'
      ? Promise.reject(Object.assign(new Error(`querySrv ${answer} ${name}`), { code: answer }))
      : Promise.resolve(answer as SrvRecord[]);
  };
  return findControllers({ domain: 'corp.test', resolver: { resolveSrv }, random, ...site });
}

async function namesOf(...args: Parameters<typeof find>): Promise<readonly string[]> {
  return (await find(...args)).names;
}

describe('the controllers of a domain', () => {
  test('come in the order of their priority', async () => {
    const records = [srv('c.corp.test', 20), srv('a.corp.test', 0), srv('b.corp.test', 10)];
    expect(await namesOf({ [ALL]: records })).toEqual([
      'a.corp.test',
      'b.corp.test',
      'c.corp.test',
    ]);
  });

  test.each([
    [0, ['none.corp.test', 'heavy.corp.test', 'light.corp.test']],
    [0.05, ['heavy.corp.test', 'none.corp.test', 'light.corp.test']],
    [0.999, ['light.corp.test', 'heavy.corp.test', 'none.corp.test']],
  ])('of one priority come by chance, by their weight: %d', async (chance, names) => {
    const weights = { 'heavy.corp.test': 90, 'light.corp.test': 10, 'none.corp.test': 0 };
    const records = Object.entries(weights).map(([name, weight]) => srv(name, 0, weight));
    expect(await namesOf({ [ALL]: records }, { random: () => chance })).toEqual(names);
  });

  test('of the site come first, each once', async () => {
    const zone = {
      [BERLIN]: [srv('b.corp.test')],
      [ALL]: [srv('a.corp.test', 0), srv('b.corp.test', 1)],
    };
    expect(await namesOf(zone, { site: 'berlin' })).toEqual(['b.corp.test', 'a.corp.test']);
  });

  test('are those of the whole domain when the site is unknown, which is told', async () => {
    const found = await find({ [ALL]: [srv('a.corp.test')] }, { site: 'berlin' });
    expect(found).toMatchObject({
      names: ['a.corp.test'],
      problems: [expect.stringContaining(`DNS has no ${BERLIN}`) as string],
    });
  });

  test('are those of the site when the whole domain cannot be had', async () => {
    const zone = { [BERLIN]: [srv('b.corp.test')], [ALL]: 'ETIMEOUT' };
    expect(await namesOf(zone, { site: 'berlin' })).toEqual(['b.corp.test']);
  });

  test('hold the PDC emulator, also where nothing else names it', async () => {
    const zone = { [ALL]: [srv('A.corp.test.')], [PDC]: [srv('PDC.corp.test')] };
    expect(await find(zone)).toEqual({
      names: ['a.corp.test', 'pdc.corp.test'],
      pdc: 'pdc.corp.test',
      problems: [],
    });
  });

  test('are not more than can be looked after, the PDC emulator among them', async () => {
    const many = Array.from({ length: 200 }, (_, i) => srv(`dc${i}.corp.test`, i));
    const names = await namesOf({ [ALL]: many, [PDC]: [srv('dc150.corp.test')] });
    expect(names).toHaveLength(16);
    expect([names[0], names[14], names[15]]).toEqual([
      'dc0.corp.test',
      'dc14.corp.test',
      'dc150.corp.test',
    ]);
  });

  test('are called as the domain is: what else a forged answer names gets no password', async () => {
    const records = [srv('dc.attacker.test'), srv('evilcorp.test'), srv('a.corp.test')];
    expect(await find({ [ALL]: records, [PDC]: [srv('dc.attacker.test')] })).toEqual({
      names: ['a.corp.test'],
      pdc: undefined,
      problems: [expect.stringContaining('dc.attacker.test, evilcorp.test') as string],
    });
  });

  test.each(['', '.', 'a b.corp.test', 'x/../y.corp.test', `${'a'.repeat(64)}.corp.test`])(
    'have host names, which %j is not',
    async (name) => {
      expect(await namesOf({ [ALL]: [srv(name), srv('a.corp.test')] })).toEqual(['a.corp.test']);
    },
  );
});

describe('a domain without controllers', () => {
  test.each([
    ['ENOTFOUND', 'DIRECTORY_CONFIG', /has no _ldap.*correct directory\.domain/],
    ['ENODATA', 'DIRECTORY_CONFIG', /has no _ldap.*list directory\.domainControllers/],
    ['ETIMEOUT', 'DIRECTORY_UNREACHABLE', /no DNS server answers/],
    ['ECONNREFUSED', 'DIRECTORY_UNREACHABLE', /no DNS server answers/],
    ['ESERVFAIL', 'DIRECTORY_UNREACHABLE', /SERVFAIL/],
    ['EBADRESP', 'DIRECTORY_UNREACHABLE', /EBADRESP/],
  ])('for %s is %s, with what to do', async (why, code, message) => {
    await expect(find({ [ALL]: why, [PDC]: why })).rejects.toMatchObject({
      name: 'DirectoryError',
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  test('because all of them have other names says which', async () => {
    await expect(find({ [ALL]: [srv('dc.attacker.test')] })).rejects.toMatchObject({
      code: 'DIRECTORY_CONFIG',
      message: expect.stringContaining('dc.attacker.test') as string,
    });
  });
});
