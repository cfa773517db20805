import type { Kysely, Selectable } from 'kysely';
import { auditTable } from './audit-table.ts';
import { dispatchTable } from './dispatch-table.ts';
import type { Moment, OperationRecord, OperationResult, PreparedOperation } from './records.ts';
import type { Operations } from './store.ts';
import type { OperationTable, Tables } from './tables.ts';

/** By name where a statement is kept prepared: a newer node may add columns at any time. */
export const OPERATION_COLUMNS = [
  'id',
  'directory',
  'api_key',
  'actor',
  'made_by',
  'op',
  'object_guid',
  'options',
  'baseline',
  'not_after',
  'created_at',
  'recipients',
  'state',
  'final',
  'content',
  'secret',
  'result',
  'finished_at',
  'runner',
] as const satisfies readonly (keyof OperationTable)[];

/** `Operations` on a database. */
export function operationTable(db: Kysely<Tables>): Operations {
  const [one, dispatches] = [lifecycle(db), dispatchTable(db)];
  return {
    ...one,
    ...lists(db),
    ...unsubmitted(db),
    ...dispatches,
    ...oneByOne(db, { ...one, ...dispatches }),
    purge: purge(db),
  };
}

/** To be called inside transactions. */
function oneByOne(
  db: Kysely<Tables>,
  single: Pick<Operations, 'finish' | 'addDispatch' | 'updateDispatch'>,
): Pick<Operations, 'submit' | 'settle'> {
  return {
    submit: async (submissions) => {
      const submitted = new Set<string>();
      for (const { id, content, secret, runner, dispatch } of submissions) {
        const updated = await db
          .updateTable('operations')
          .set({ state: 'pending', content, secret: secret ?? null, runner: runner ?? null })
          .where('id', '=', id)
          .where('state', '=', 'prepared')
          .executeTakeFirst();
        if (updated.numUpdatedRows === 0n) continue;
        submitted.add(id);
        if (dispatch !== undefined) await single.addDispatch(dispatch);
      }
      return submitted;
    },
    settle: async (settlements) => {
      const ended = new Set<string>();
      for (const { jti, ending, ...answer } of settlements) {
        await single.updateDispatch(jti, answer);
        if (ending === undefined || !(await single.finish(ending.id, ending.result, ending.at)))
          continue;
        ended.add(ending.id);
        await auditTable(db).append(ending.entry);
      }
      return ended;
    },
  };
}

function purge(db: Kysely<Tables>): Operations['purge'] {
  return async (before, limit) => {
    const old = await db
      .selectFrom('operations')
      .select('id')
      .where('final', '=', 1)
      .where('finished_at', '<', before)
      .limit(limit)
      .execute();
    const ids = old.map(({ id }) => id);
    if (ids.length === 0) return 0;
    // An operation keeps its dispatches until it goes itself: a crash between the two is repeated.
    await db.deleteFrom('dispatches').where('operation', 'in', ids).execute();
    await db.deleteFrom('operations').where('id', 'in', ids).execute();
    return ids.length;
  };
}

function lifecycle(
  db: Kysely<Tables>,
): Pick<Operations, 'prepare' | 'find' | 'finish' | 'dropSecret'> {
  return {
    prepare: async (operation) => {
      await db.insertInto('operations').values(toRow(operation)).execute();
    },
    find: async (id) => {
      const row = await db
        .selectFrom('operations')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      return row && toOperation(row);
    },
    finish: async (id, result, at) => {
      const finished = await db
        .updateTable('operations')
        .set({ ...toResultColumns(result, at), ...(result.final && { secret: null }) })
        .where('id', '=', id)
        .where('final', '=', 0)
        .executeTakeFirst();
      return finished.numUpdatedRows === 1n;
    },
    dropSecret: async (id) => {
      await db.updateTable('operations').set({ secret: null }).where('id', '=', id).execute();
    },
  };
}

function lists(db: Kysely<Tables>): Pick<Operations, 'unfinished' | 'countPending' | 'applied'> {
  return {
    unfinished: async () => {
      const rows = await db
        .selectFrom('operations')
        .selectAll()
        .where('final', '=', 0)
        .where('state', 'in', ['pending', 'unknown'])
        .orderBy('created_at')
        .execute();
      return rows.map(toOperation);
    },
    countPending: async (directory) => {
      const rows = await db
        .selectFrom('operations')
        .select((eb) => ['directory', eb.fn.countAll<number>().as('count')])
        .where('final', '=', 0)
        .where('state', '=', 'pending')
        .$if(directory !== undefined, (query) => query.where('directory', '=', directory ?? ''))
        .groupBy('directory')
        .execute();
      return new Map(rows.map(({ directory, count }) => [directory, count]));
    },
    applied: async ({ directory, objectGuid }, since, limit) => {
      const rows = await db
        .selectFrom('operations')
        .select('result')
        .where('final', '=', 1)
        .where('finished_at', '>=', since)
        .where('directory', '=', directory)
        .where('object_guid', '=', objectGuid)
        .where('state', '=', 'applied')
        .orderBy('finished_at', 'desc')
        .limit(limit)
        .execute();
      return rows.flatMap(({ result }) => (result === null ? [] : [toResult(result)]));
    },
  };
}

function unsubmitted(db: Kysely<Tables>): Pick<Operations, 'expirePrepared' | 'forgetUnsubmitted'> {
  return {
    expirePrepared: async (now) => {
      const expired = await db
        .updateTable('operations')
        .set({ state: 'expired', final: 1, finished_at: now })
        .where('final', '=', 0)
        .where('state', '=', 'prepared')
        .where('not_after', '<', now)
        .executeTakeFirst();
      return Number(expired.numUpdatedRows);
    },
    forgetUnsubmitted: async (before) => {
      const forgotten = await db
        .deleteFrom('operations')
        .where('final', '=', 1)
        .where('state', '=', 'expired')
        .where('content', 'is', null)
        .where('not_after', '<', before)
        .executeTakeFirst();
      return Number(forgotten.numDeletedRows);
    },
  };
}

function toRow(operation: PreparedOperation): Selectable<OperationTable> {
  return {
    id: operation.id,
    directory: operation.directory,
    api_key: operation.apiKey,
    actor: operation.actor,
    made_by: operation.by,
    op: operation.op,
    object_guid: operation.objectGuid,
    options: JSON.stringify(operation.options),
    baseline: JSON.stringify(operation.baseline),
    not_after: operation.notAfter,
    created_at: operation.createdAt,
    recipients: JSON.stringify(operation.recipients),
    state: 'prepared',
    final: 0,
    content: null,
    secret: null,
    result: null,
    finished_at: null,
    runner: null,
  };
}

export function toResultColumns(
  result: OperationResult,
  at: Moment,
): Pick<Selectable<OperationTable>, 'state' | 'final' | 'result' | 'finished_at'> {
  const { state, final } = result;
  return { state, final: final ? 1 : 0, result: JSON.stringify(result), finished_at: at };
}

/** As this service wrote it. */
function toResult(json: string): OperationResult {
  return JSON.parse(json) as OperationResult;
}

/** The JSON and enumerated columns hold what this service itself validated and wrote. */
export function toOperation(row: Selectable<OperationTable>): OperationRecord {
  return {
    id: row.id,
    directory: row.directory,
    apiKey: row.api_key,
    actor: row.actor,
    by: row.made_by as OperationRecord['by'],
    op: row.op as OperationRecord['op'],
    objectGuid: row.object_guid,
    options: JSON.parse(row.options) as OperationRecord['options'],
    baseline: JSON.parse(row.baseline) as OperationRecord['baseline'],
    notAfter: row.not_after,
    createdAt: row.created_at,
    recipients: JSON.parse(row.recipients) as OperationRecord['recipients'],
    state: row.state as OperationRecord['state'],
    final: row.final === 1,
    ...(row.content !== null && { content: row.content }),
    ...(row.secret !== null && { secret: row.secret }),
    ...(row.result !== null && { result: toResult(row.result) }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
  };
}
