import type { Kysely, Selectable, Updateable } from 'kysely';
import type {
  AgentIdentity,
  AgentRecord,
  AgentState,
  Disabled,
  OutcomeTrail,
  PeerRecord,
  ReplacedSealing,
  TurnedAway,
} from './records.ts';
import type { AgentChange, Agents } from './store.ts';
import type { AgentTable, Tables } from './tables.ts';

/** `Agents` on a database. */
export function agentTable(db: Kysely<Tables>, { lock }: { readonly lock: boolean }): Agents {
  const standing: Agents['standing'] = async (id) => {
    const row = await db
      .selectFrom('agents')
      .select(['state', 'disabled', 'trail'])
      .where('id', '=', id)
      .$if(lock, (query) => query.forNoKeyUpdate())
      .executeTakeFirst();
    const trail = toTrail(row?.trail ?? null);
    return row && { ...toAdmittance(row), ...(trail !== undefined && { trail }) };
  };
  return {
    ...agentLists(db),
    add: async (agent) => {
      const added = await db
        .insertInto('agents')
        .values(toRow(agent))
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return added.numInsertedOrUpdatedRows === 1n;
    },
    find: async (id) => {
      const row = await db
        .selectFrom('agents')
        .selectAll()
        .where('id', '=', id)
        .$if(lock, (query) => query.forNoKeyUpdate())
        .executeTakeFirst();
      return row && toRecord(row);
    },
    identity: async (id) => {
      const row = await db
        .selectFrom('agents')
        .select(['id', 'directory', 'device_key', 'state', 'disabled'])
        .where('id', '=', id)
        .executeTakeFirst();
      return row && toIdentity(row);
    },
    trail: async (id) => (await standing(id))?.trail,
    standing,
    update: async (id, change) => {
      const columns = toChange(change);
      if (Object.keys(columns).length === 0) return;
      await db.updateTable('agents').set(columns).where('id', '=', id).execute();
    },
  };
}

function agentLists(db: Kysely<Tables>): Pick<Agents, 'list' | 'decided' | 'peers' | 'count'> {
  return {
    list: async (directory) => {
      const rows = await db
        .selectFrom('agents')
        .selectAll()
        .where('directory', '=', directory)
        .orderBy('enrolled_at')
        .orderBy('id')
        .execute();
      return rows.map(toRecord);
    },
    decided: async (since) => {
      const rows = await db
        .selectFrom('agents')
        .select(['id', 'state', 'disabled'])
        .where((where) =>
          where.or([where('decided_at', '>=', since), where('disabled', 'is not', null)]),
        )
        .execute();
      return rows.map((row) => ({ id: row.id, ...toAdmittance(row) }));
    },
    count: async () => {
      const { count } = await db
        .selectFrom('agents')
        .select((counted) => counted.fn.countAll<number | string>().as('count'))
        .executeTakeFirstOrThrow();
      return Number(count); // PostgreSQL counts in 64 bits, which come as text
    },
    peers: async (directory) => {
      const rows = await db
        .selectFrom('agents')
        .select(['id', 'device_key', 'sealing_statement', 'sealing_replaced'])
        .where('directory', '=', directory)
        .where('state', '=', 'approved')
        .orderBy('enrolled_at')
        .orderBy('id')
        .execute();
      return rows.map(toPeer);
    },
  };
}

function toRow(agent: AgentRecord): Selectable<AgentTable> {
  return {
    id: agent.id,
    directory: agent.directory,
    name: agent.name,
    version: agent.version,
    device_kid: agent.deviceKey.kid,
    device_key: JSON.stringify(agent.deviceKey),
    sealing_key: JSON.stringify(agent.sealingKey),
    sealing_statement: agent.sealingStatement,
    sealing_since: agent.sealingSince,
    sealing_replaced: toJson(agent.sealingReplaced),
    state: agent.state,
    enrolled_at: agent.enrolledAt,
    decided_at: agent.decidedAt ?? null,
    decided_by: agent.decidedBy ?? null,
    seen_at: agent.seenAt ?? null,
    trail: toJson(agent.trail),
    guard: toJson(agent.guard),
    report: toJson(agent.report),
    turned_away: toJson(agent.turnedAway),
    disabled: toJson(agent.disabled),
  };
}

function toChange(change: AgentChange): Updateable<AgentTable> {
  const { sealingKey, sealingReplaced, trail, guard, report } = change;
  const columns: Updateable<AgentTable> = {
    version: change.version,
    sealing_key: sealingKey && JSON.stringify(sealingKey),
    sealing_statement: change.sealingStatement,
    sealing_since: change.sealingSince,
    sealing_replaced: sealingReplaced && JSON.stringify(sealingReplaced),
    state: change.state,
    decided_at: change.decidedAt,
    decided_by: change.decidedBy,
    seen_at: change.seenAt,
    trail: trail && JSON.stringify(trail),
    guard: guard && JSON.stringify(guard),
    report: report && JSON.stringify(report),
  };
  // What an agent has said is never taken back but for this one; and a person's word is.
  if ('turnedAway' in change) columns.turned_away = toJson(change.turnedAway);
  if ('disabled' in change) columns.disabled = toJson(change.disabled);
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
}

function toTrail(text: string | null): OutcomeTrail | undefined {
  return text === null ? undefined : (JSON.parse(text) as OutcomeTrail);
}

/** Whether an agent may come in. */
function toAdmittance(
  row: Pick<Selectable<AgentTable>, 'state' | 'disabled'>,
): Pick<AgentRecord, 'state' | 'disabled'> {
  return {
    state: row.state as AgentState,
    ...(row.disabled !== null && { disabled: JSON.parse(row.disabled) as Disabled }),
  };
}

function toIdentity(
  row: Pick<Selectable<AgentTable>, 'id' | 'directory' | 'device_key' | 'state' | 'disabled'>,
): AgentIdentity {
  return {
    id: row.id,
    directory: row.directory,
    deviceKey: JSON.parse(row.device_key) as AgentIdentity['deviceKey'],
    ...toAdmittance(row),
  };
}

function toPeer(
  row: Pick<Selectable<AgentTable>, 'id' | 'device_key' | 'sealing_statement' | 'sealing_replaced'>,
): PeerRecord {
  return {
    id: row.id,
    deviceKey: JSON.parse(row.device_key) as PeerRecord['deviceKey'],
    sealingStatement: row.sealing_statement,
    ...(row.sealing_replaced !== null && {
      sealingReplaced: JSON.parse(row.sealing_replaced) as ReplacedSealing,
    }),
  };
}

/** The JSON columns hold what this service itself validated and wrote. */
function toRecord(row: Selectable<AgentTable>): AgentRecord {
  const trail = toTrail(row.trail);
  return {
    id: row.id,
    directory: row.directory,
    name: row.name,
    version: row.version,
    deviceKey: JSON.parse(row.device_key) as AgentRecord['deviceKey'],
    sealingKey: JSON.parse(row.sealing_key) as AgentRecord['sealingKey'],
    sealingStatement: row.sealing_statement,
    sealingSince: row.sealing_since,
    ...(row.sealing_replaced !== null && {
      sealingReplaced: JSON.parse(row.sealing_replaced) as ReplacedSealing,
    }),
    ...toAdmittance(row),
    enrolledAt: row.enrolled_at,
    ...(row.decided_at !== null && { decidedAt: row.decided_at }),
    ...(row.decided_by !== null && { decidedBy: row.decided_by }),
    ...(row.seen_at !== null && { seenAt: row.seen_at }),
    ...(trail !== undefined && { trail }),
    ...(row.guard !== null && {
      guard: JSON.parse(row.guard) as NonNullable<AgentRecord['guard']>,
    }),
    ...(row.report !== null && {
      report: JSON.parse(row.report) as NonNullable<AgentRecord['report']>,
    }),
    ...(row.turned_away !== null && {
      turnedAway: JSON.parse(row.turned_away) as TurnedAway,
    }),
  };
}

function toJson(value: object | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
