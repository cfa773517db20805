import type { Kysely, Selectable, Updateable } from 'kysely';
import type { OutcomeCode } from '../../protocol/codes.ts';
import type { DispatchRecord } from './records.ts';
import type { Operations } from './store.ts';
import type { DispatchTable, Tables } from './tables.ts';

/** By name where a statement is kept prepared: a newer node may add columns at any time. */
export const DISPATCH_COLUMNS = [
  'jti',
  'operation',
  'agent',
  'session',
  'token',
  'at',
  'controller',
  'lost_at',
  'answered_at',
  'code',
  'answer',
  'node',
  'command',
] as const satisfies readonly (keyof DispatchTable)[];

/** The dispatches of `Operations` on a database. */
export function dispatchTable(
  db: Kysely<Tables>,
): Pick<
  Operations,
  | 'addDispatch'
  | 'updateDispatch'
  | 'loseDispatch'
  | 'dispatches'
  | 'dispatchesOf'
  | 'loseDispatches'
> {
  return {
    ...lossTable(db),
    ...lists(db),
    addDispatch: async ({ jti, operation, agent, session, token, at, relay }) => {
      const blank = {
        controller: null,
        lost_at: null,
        answered_at: null,
        code: null,
        answer: null,
        node: relay?.node ?? null,
        command: relay?.command ?? null,
      };
      await db
        .insertInto('dispatches')
        .values({ jti, operation, agent, session, token, at, ...blank })
        .execute();
    },
    updateDispatch: async (jti, { controller, lostAt, answeredAt, code, answer }) => {
      const columns: Updateable<DispatchTable> = {
        ...(controller !== undefined && { controller }),
        ...(answeredAt !== undefined && { answered_at: answeredAt }),
        ...(code !== undefined && { code }),
        ...(answer !== undefined && { answer }),
        ...((answeredAt ?? lostAt) !== undefined && { command: null }),
      };
      await db
        .updateTable('dispatches')
        .set(columns)
        .$if(lostAt !== undefined, (query) =>
          query.set((eb) => ({ lost_at: eb.fn.coalesce('lost_at', eb.val(lostAt ?? 0)) })),
        )
        .where('jti', '=', jti)
        .execute();
    },
  };
}

function lists(db: Kysely<Tables>): Pick<Operations, 'dispatches' | 'dispatchesOf'> {
  return {
    dispatches: async (operation) => {
      const rows = await db
        .selectFrom('dispatches')
        .selectAll()
        .where('operation', '=', operation)
        .orderBy('at')
        .execute();
      return rows.map(toDispatch);
    },
    dispatchesOf: async (operations) => {
      const found = new Map<string, DispatchRecord[]>(operations.map((id) => [id, []]));
      if (operations.length === 0) return found;
      const rows = await db
        .selectFrom('dispatches')
        .selectAll()
        .where('operation', 'in', operations)
        .orderBy('at')
        .execute();
      for (const row of rows) found.get(row.operation)?.push(toDispatch(row));
      return found;
    },
  };
}

function lossTable(db: Kysely<Tables>): Pick<Operations, 'loseDispatch' | 'loseDispatches'> {
  return {
    loseDispatch: async (jti, at) => {
      await db
        .updateTable('dispatches')
        .set({ lost_at: at, command: null })
        .where('jti', '=', jti)
        .execute();
    },
    loseDispatches: async (at, operation) => {
      await db
        .updateTable('dispatches')
        .$if(operation !== undefined, (query) => query.where('operation', '=', operation ?? ''))
        .set({ lost_at: at, command: null })
        .where('lost_at', 'is', null)
        .where('answered_at', 'is', null)
        .execute();
    },
  };
}

/** Without what is for another node. */
export function toDispatch(
  row: Omit<Selectable<DispatchTable>, 'node' | 'command'>,
): DispatchRecord {
  return {
    jti: row.jti,
    operation: row.operation,
    agent: row.agent,
    session: row.session,
    token: row.token,
    at: row.at,
    ...(row.controller !== null && { controller: row.controller }),
    ...(row.lost_at !== null && { lostAt: row.lost_at }),
    ...(row.answered_at !== null && { answeredAt: row.answered_at }),
    ...(row.code !== null && { code: row.code as OutcomeCode }), // as it was written
    ...(row.answer !== null && { answer: row.answer }),
  };
}
