import { expect, test } from 'vitest';
import type { AgentRecord, Toggle } from '../../../../src/cloud/store/records.ts';
import {
  CONNECTIVITY,
  describe,
  type AgentView,
  type ConnectivityFacts,
} from '../../../../src/cloud/writeback/connectivity.ts';
import type { StatusReport } from '../../../../src/protocol/status.ts';

const NOW = Date.UTC(2030, 0, 1);
const ON: Toggle = { version: 1, enabled: true, reason: '', by: 'anna', at: NOW };
const PAUSED: Toggle = { ...ON, enabled: false, reason: 'a move' };

function view(
  state: StatusReport['state'] | undefined,
  more: Partial<AgentRecord & AgentView> = {},
): AgentView {
  const { connected = true, outdated = false, ...record } = more;
  const report = state === undefined ? {} : { report: { state } };
  const agent = {
    id: 'a',
    name: 'dc-host',
    state: 'approved',
    ...report,
    ...record,
  } as unknown as AgentRecord;
  return { agent, connected, outdated };
}

const away = { connected: false };
const turnedAway = { at: NOW, version: '0.0.1', reason: 'version 0.0.1 is too old' };

const disabled = { at: NOW, by: 'anna', reason: 'a move' };
const kept = { ...away, disabled };

const CASES: readonly (readonly [string, Partial<ConnectivityFacts>, string, RegExp])[] = [
  ['an agent runs', { agents: [view('running')] }, 'up', /up and running$/],
  [
    'one of two runs',
    { agents: [view('down'), view('running')] },
    'up',
    /up and running: 1 of 2 agents is not \(dc-host\)$/,
  ],
  [
    'one of three runs',
    { agents: [view('running', away), view('running'), view('degraded')] },
    'up',
    /up and running: 2 of 3 agents are not \(dc-host, dc-host\)$/,
  ],
  [
    'one of two is revoked',
    { agents: [view('running', { ...away, state: 'revoked' }), view('running')] },
    'up',
    /up and running$/,
  ],
  [
    'one of two is disabled',
    { agents: [view('running', kept), view('running')] },
    'up',
    /up and running$/,
  ],
  [
    'one is disabled, the other one away',
    { agents: [view('running', kept), view('running', away)] },
    'cannot-connect',
    /no agent is connected$/,
  ],
  [
    'all that are not revoked are disabled',
    { agents: [view('running', kept), view('running', { ...away, state: 'revoked' })] },
    'cannot-connect',
    /an admin has disabled every agent \(dc-host\)$/,
  ],
  [
    'one is disabled, another one is new',
    { agents: [view('running', kept), view(undefined, { state: 'pending' })] },
    'waiting-for-approval',
    /waits/,
  ],
  [
    'a new one is disabled',
    { agents: [view(undefined, { ...kept, state: 'pending' })] },
    'cannot-connect',
    /disabled every agent/,
  ],
  ['an agent has not said how it is', { agents: [view(undefined)] }, 'up', /up/],
  ['one is old', { agents: [view('running', { outdated: true })] }, 'outdated', /older than/],
  ['the only one is unwell', { agents: [view('degraded')] }, 'degraded', /wrong/],
  ['the only one is down', { agents: [view('down')] }, 'degraded', /wrong/],
  ['the only one is away', { agents: [view('running', away)] }, 'cannot-connect', /no agent is/],
  [
    'the only one was turned away',
    { agents: [view('running', { ...away, turnedAway })] },
    'too-old',
    /too old to be served: version 0\.0\.1/,
  ],
  [
    'one was turned away, another one works',
    { agents: [view('running'), view('running', { ...away, turnedAway })] },
    'up',
    /up/,
  ],
  ['there is none', { agents: [] }, 'not-configured', /no agent is enrolled/],
  [
    'all were revoked',
    { agents: [view('running', { ...away, state: 'revoked' })] },
    'not-configured',
    /enrolled/,
  ],
  [
    'one is new',
    { agents: [view(undefined, { state: 'pending' })] },
    'waiting-for-approval',
    /waits/,
  ],
  [
    'the service has paused',
    { agents: [view('running')], directory: { toggle: PAUSED } },
    'paused',
    /paused by anna since 2030-01-01T00:00:00\.000Z: a move/,
  ],
  [
    'the pause of the service is over',
    { agents: [view('running')], directory: { toggle: { ...PAUSED, until: NOW } } },
    'up',
    /up/,
  ],
  [
    'the service has paused, but nothing would work anyway',
    { agents: [view('down')], directory: { toggle: PAUSED } },
    'degraded',
    /wrong/,
  ],
  ['all are paused on site', { agents: [view('paused')] }, 'paused', /at the agents/],
  ['one is paused on site', { agents: [view('paused'), view('running')] }, 'up', /up/],
  [
    'the service is not ready',
    { agents: [view('running')], ownFault: 'its database does not answer' },
    'service-at-fault',
    /its database does not answer/,
  ],
];

test.each(CASES)('%s', (_, facts, connectivity, words) => {
  const base = { directory: { toggle: ON }, agents: [], ownFault: undefined, now: NOW };
  const said = describe({ ...base, ...facts });
  expect(said.connectivity).toBe(connectivity);
  expect(said.summary).toMatch(words);
  expect(said.action === undefined).toBe(connectivity === 'up');
});

test('where every agent is disabled, the action is to enable one', () => {
  const facts = { directory: { toggle: ON }, ownFault: undefined, now: NOW };
  expect(describe({ ...facts, agents: [view('running', kept)] }).action).toContain('agent enable');
  expect(describe({ ...facts, agents: [view('running', away)] }).action).not.toContain('enable');
});

test('every state has a case', () => {
  expect(new Set(CASES.map(([, , state]) => state))).toEqual(new Set(CONNECTIVITY));
});
