export const LINK_STATES = [
  'idle',
  'dialing',
  'greeting',
  'ready',
  'waiting',
  'rejected',
  'draining',
  'closed',
] as const;

/**
 * The life of one link, as data.
 *
 *   idle ──▶ dialing ──▶ greeting ──▶ ready ──▶ draining ──▶ closed
 *             ▲   │         │           │
 *       retry │   ▼ lost    ▼ lost      ▼ lost
 *             ├──────────  waiting  ────┘
 *       retry │   ▼ refuse  ▼ refuse    ▼ refuse
 *             └────────── rejected ─────┘
 *
 * `rejected` is `waiting` for what only a person can change. `closed` can be reached from every
 * state and is never left.
 */
export type LinkState = (typeof LINK_STATES)[number];

export type LinkEvent =
  'dial' | 'open' | 'welcome' | 'lost' | 'refuse' | 'retry' | 'drain' | 'close';

const TRANSITIONS: Record<LinkState, Partial<Record<LinkEvent, LinkState>>> = {
  idle: { dial: 'dialing', close: 'closed' },
  dialing: { open: 'greeting', lost: 'waiting', refuse: 'rejected', close: 'closed' },
  greeting: { welcome: 'ready', lost: 'waiting', refuse: 'rejected', close: 'closed' },
  ready: { drain: 'draining', lost: 'waiting', refuse: 'rejected', close: 'closed' },
  waiting: { retry: 'dialing', close: 'closed' },
  rejected: { retry: 'dialing', close: 'closed' },
  draining: { lost: 'closed', refuse: 'closed', close: 'closed' },
  closed: {},
};

/** The next state, or undefined when the event means nothing in this state. */
export function next(state: LinkState, event: LinkEvent): LinkState | undefined {
  return TRANSITIONS[state][event];
}
