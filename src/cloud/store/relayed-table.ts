import { sql, type Kysely, type Selectable } from 'kysely';
import { DISPATCH_COLUMNS, toDispatch } from './dispatch-table.ts';
import type { Relayed } from './nodes.ts';
import { OPERATION_COLUMNS, toOperation } from './operation-table.ts';
import type { DispatchTable, OperationTable, Tables } from './tables.ts';

type Joined = Selectable<OperationTable & DispatchTable>;

/** No name is in both tables. */
const COLUMNS = sql.raw([...OPERATION_COLUMNS, ...DISPATCH_COLUMNS].join());

/** Dispatches that go from node to node, on PostgreSQL. */
export function relayedTable(db: Kysely<Tables>): Relayed {
  return {
    open: async (node) => {
      const rows = await db
        .selectFrom('dispatches')
        .select('jti')
        .where('command', 'is not', null)
        .where('answered_at', 'is', null)
        .where('lost_at', 'is', null)
        .where('node', '=', node)
        .execute();
      return rows.map(({ jti }) => jti);
    },
    find: async (node, jtis) => {
      const { rows } = await sql<Joined>`
        select ${COLUMNS} from dispatches join operations on operations.id = operation
        where operation in (select operation from dispatches where jti = any(${jtis}::text[]))
        order by at`.execute(db);
      return jtis.map((jti) => {
        const row = rows.find((each) => each.jti === jti);
        if (row?.node !== node || row.command === null || !isOpen(row)) return undefined;
        const others = rows.filter((each) => each.operation === row.operation && each !== row);
        return { ...toFollowed(row), command: row.command, others: others.map(toDispatch) };
      });
    },
    follow: async (jtis) => {
      const { rows } = await sql<Joined>`
        select ${COLUMNS} from dispatches join operations on operations.id = operation
        where jti = any(${jtis}::text[])`.execute(db);
      const found = new Map(rows.map((row) => [row.jti, row]));
      return jtis.map((jti) => {
        const row = found.get(jti);
        return row && toFollowed(row);
      });
    },
  };
}

function isOpen({ answered_at, lost_at }: Joined): boolean {
  return answered_at === null && lost_at === null;
}

function toFollowed(row: Joined) {
  return { operation: toOperation(row), record: toDispatch(row) };
}
