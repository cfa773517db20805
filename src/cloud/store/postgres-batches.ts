import { sql, type Kysely, type Selectable } from 'kysely';
import { toKey } from './access-tables.ts';
import { DISPATCH_COLUMNS, toDispatch } from './dispatch-table.ts';
import { OPERATION_COLUMNS, toOperation, toResultColumns } from './operation-table.ts';
import type { ApiKeyRecord, DispatchRecord, OperationRecord } from './records.ts';
import type { Operations } from './store.ts';
import type { ApiKeyTable, DispatchTable, OperationTable, Tables } from './tables.ts';

/**
 * What is asked for under load, for many in one statement, which is the same text for any number of
 * them: PostgreSQL, and the driver, have parsed it already.
 */
export function postgresBatches(
  db: Kysely<Tables>,
): Pick<Operations, 'submit' | 'settle' | 'dispatchesOf'> {
  return { submit: submit(db), settle: settle(db), dispatchesOf: dispatchesOf(db) };
}

/** In the order of the ids. */
export async function operationsById(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<readonly (OperationRecord | undefined)[]> {
  const { rows } = await sql<Selectable<OperationTable>>`
    select ${sql.raw(OPERATION_COLUMNS.join())} from operations
    where id = any(${ids}::text[])`.execute(db);
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => {
    const row = found.get(id);
    return row && toOperation(row);
  });
}

/** In the order of the hashes. */
export async function apiKeysByHash(
  db: Kysely<Tables>,
  hashes: readonly string[],
): Promise<readonly (ApiKeyRecord | undefined)[]> {
  const { rows } = await sql<Selectable<ApiKeyTable>>`
    select id, directory, hash, scopes, actor, created_at from api_keys
    where hash = any(${hashes}::text[])`.execute(db);
  const found = new Map(rows.map((row) => [row.hash, toKey(row)]));
  return hashes.map((hash) => found.get(hash));
}

function submit(db: Kysely<Tables>): Operations['submit'] {
  return async (submissions) => {
    const given = submissions.map(({ id, content, secret, runner }) => {
      return { id, content, secret, runner };
    });
    const dispatches = submissions.flatMap(({ dispatch }) => {
      if (dispatch === undefined) return [];
      const { relay, ...columns } = dispatch;
      return [{ ...columns, ...relay }];
    });
    const { rows } = await sql<{ readonly id: string }>`
      with submitted as (
        update operations
        set state = 'pending', content = given.content, secret = given.secret, runner = given.runner
        from json_to_recordset(${JSON.stringify(given)}::json)
          as given (id text, content text, secret text, runner text)
        where operations.id = given.id and state = 'prepared'
        returning operations.id
      ), dispatched as (
        insert into dispatches (jti, operation, agent, session, token, at, node, command)
        select jti, operation, agent, session, token, at, node, command
        from json_to_recordset(${JSON.stringify(dispatches)}::json)
          as given (jti text, operation text, agent text, session text, token text, at bigint, node text, command text)
        where operation in (select id from submitted)
      )
      select id from submitted`.execute(db);
    return new Set(rows.map(({ id }) => id));
  };
}

function settle(db: Kysely<Tables>): Operations['settle'] {
  return async (settlements) => {
    const answers = settlements.map(({ jti, answeredAt, code, answer }) => {
      return { jti, answered_at: answeredAt, code, answer };
    });
    const endings = settlements.flatMap(({ ending }) => {
      if (ending === undefined) return [];
      const { id, result, at, entry } = ending;
      const { detail } = entry;
      const noted = { ...entry, ...(detail !== undefined && { detail: JSON.stringify(detail) }) };
      return [{ id, ...toResultColumns(result, at), noted }];
    });
    const { rows } = await sql<{ readonly id: string }>`
      with answered as (
        update dispatches
        set answered_at = given.answered_at, code = given.code, answer = given.answer, command = null
        from json_to_recordset(${JSON.stringify(answers)}::json)
          as given (jti text, answered_at bigint, code text, answer text)
        where dispatches.jti = given.jti
      ), given as (
        select id, state, final, result, finished_at, noted
        from json_to_recordset(${JSON.stringify(endings)}::json)
          as given (id text, state text, final integer, result text, finished_at bigint, noted json)
      ), finished as (
        update operations
        set state = given.state, final = given.final, result = given.result,
          finished_at = given.finished_at,
          secret = case when given.final = 1 then null else operations.secret end
        from given
        where operations.id = given.id and operations.final = 0
        returning operations.id
      ), entered as (
        insert into audit (at, directory, actor, action, target, detail, signed)
        select entry.at, entry.directory, entry.actor, entry.action, entry.target, entry.detail,
          entry.signed
        from given, json_to_record(given.noted) as entry
          (at bigint, directory text, actor text, action text, target text, detail text, signed text)
        where given.id in (select id from finished)
      )
      select id from finished`.execute(db);
    return new Set(rows.map(({ id }) => id));
  };
}

function dispatchesOf(db: Kysely<Tables>): Operations['dispatchesOf'] {
  return async (operations) => {
    const { rows } = await sql<Selectable<DispatchTable>>`
      select ${sql.raw(DISPATCH_COLUMNS.join())} from dispatches
      where operation = any(${operations}::text[]) order by at`.execute(db);
    const found = new Map<string, DispatchRecord[]>(operations.map((id) => [id, []]));
    for (const row of rows) found.get(row.operation)?.push(toDispatch(row));
    return found;
  };
}
