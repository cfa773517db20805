import { sql, type Kysely } from 'kysely';
import type { PublicKey } from '../../protocol/keys.ts';
import { DATABASE_NOW } from './database-now.ts';
import type { SessionRecord, Sessions, StoredSession } from './nodes.ts';
import type { Tables } from './tables.ts';

/** Which node has which agent's socket, on PostgreSQL. */
export function sessionTable(db: Kysely<Tables>): Sessions {
  return { enter: enter(db), ...changes(db), ...lists(db) };
}

function lists(db: Kysely<Tables>): Pick<Sessions, 'find' | 'list' | 'fingerprint'> {
  const joined = db
    .selectFrom('agent_sessions')
    .innerJoin('agents', 'agents.id', 'agent_sessions.agent')
    .select([
      'agent',
      'agent_sessions.directory',
      'node',
      'session',
      'epoch',
      'approved',
      'healthy',
      'ahead_ms',
      'device_key',
    ]);
  const compared = (which: 'own' | 'others') => (which === 'own' ? '=' : '<>');
  return {
    find: async (agents) => {
      if (agents.length === 0) return [];
      return (await joined.where('agent', 'in', agents).execute()).map(toSession);
    },
    list: async (node, which) =>
      (await joined.where('node', compared(which), node).execute()).map(toSession),
    fingerprint: async (node, which) => {
      const row = await db
        .selectFrom('agent_sessions')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .select(sql<number>`coalesce(sum(epoch), 0)::bigint`.as('sum'))
        .where('node', compared(which), node)
        .executeTakeFirstOrThrow();
      return row;
    },
  };
}

function enter(db: Kysely<Tables>): Sessions['enter'] {
  return async (session, leaseMs) => {
    const entered = await db
      .insertInto('agent_sessions')
      .values(toRow(session))
      .onConflict((conflict) =>
        conflict
          .column('agent')
          .doUpdateSet((eb) => ({
            ...toRow(session),
            epoch: eb.ref('excluded.epoch'),
          }))
          .where((eb) =>
            eb.or([
              eb('agent_sessions.node', '=', session.node),
              eb.not(
                eb.exists(
                  eb
                    .selectFrom('nodes')
                    .select('nodes.id')
                    .whereRef('nodes.id', '=', 'agent_sessions.node')
                    .where('nodes.ended_at', 'is', null)
                    .where('nodes.seen_at', '>=', sql<number>`${DATABASE_NOW} - ${leaseMs}`),
                ),
              ),
            ]),
          ),
      )
      .returning('epoch')
      .executeTakeFirst();
    return entered?.epoch;
  };
}

function changes(db: Kysely<Tables>): Pick<Sessions, 'takeOver' | 'leave' | 'change'> {
  return {
    takeOver: async (agent, dead, { node, session }) => {
      await db
        .updateTable('agent_sessions')
        .set({ node, session, epoch: NEXT_EPOCH, approved: 0 })
        .where('agent', '=', agent)
        .where('session', '=', dead)
        .execute();
    },
    leave: async (agent, session) => {
      await db
        .deleteFrom('agent_sessions')
        .where('agent', '=', agent)
        .where('session', '=', session)
        .execute();
    },
    change: async ({ agent, session, approved, healthy, aheadMs }) => {
      const changed = await db
        .updateTable('agent_sessions')
        .set({
          epoch: NEXT_EPOCH,
          approved: approved ? 1 : 0,
          healthy: healthy ? 1 : 0,
          ahead_ms: Math.floor(aheadMs),
        })
        .where('agent', '=', agent)
        .where('session', '=', session)
        .returning('epoch')
        .executeTakeFirst();
      return changed?.epoch;
    },
  };
}

const NEXT_EPOCH = sql<number>`nextval('agent_session_epochs')`;

function toRow({ agent, directory, node, session, approved, healthy, aheadMs }: SessionRecord) {
  return {
    agent,
    directory,
    node,
    session,
    approved: approved ? 1 : 0,
    healthy: healthy ? 1 : 0,
    ahead_ms: Math.floor(aheadMs),
  };
}

interface JoinedRow {
  readonly agent: string;
  readonly directory: string;
  readonly node: string;
  readonly session: string;
  readonly epoch: number;
  readonly approved: number;
  readonly healthy: number;
  readonly ahead_ms: number;
  readonly device_key: string;
}

function toSession(row: JoinedRow): StoredSession {
  return {
    agent: row.agent,
    directory: row.directory,
    node: row.node,
    session: row.session,
    epoch: row.epoch,
    approved: row.approved === 1,
    healthy: row.healthy === 1,
    aheadMs: row.ahead_ms,
    deviceKey: JSON.parse(row.device_key) as PublicKey, // as the service wrote it
  };
}
