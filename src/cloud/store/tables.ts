import type { Generated } from 'kysely';

/** Columns of every table. Moments are epoch milliseconds, JSON is text, truth is 0 or 1: the same on every dialect. */
export interface Tables {
  directories: DirectoryTable;
  agents: AgentTable;
  enrollment_tokens: EnrollmentTable;
  api_keys: ApiKeyTable;
  operations: OperationTable;
  dispatches: DispatchTable;
  audit: AuditTable;
  nodes: NodeTable;
  agent_sessions: SessionTable;
  node_calls: CallTable;
}

export interface DirectoryTable {
  id: string;
  created_at: number;
  toggle_version: number;
  toggle_enabled: number;
  toggle_reason: string;
  toggle_by: string;
  toggle_at: number;
  toggle_until: number | null;
  /** Whether the end of the timed pause is in the audit. */
  toggle_end_noted: number | null;
}

export interface AgentTable {
  id: string;
  directory: string;
  name: string;
  version: string;
  device_kid: string;
  device_key: string;
  sealing_key: string;
  sealing_statement: string;
  sealing_since: number;
  sealing_replaced: string | null;
  state: string;
  enrolled_at: number;
  decided_at: number | null;
  decided_by: string | null;
  seen_at: number | null;
  trail: string | null;
  guard: string | null;
  report: string | null;
  turned_away: string | null;
  disabled: string | null;
}

export interface EnrollmentTable {
  id: string;
  directory: string;
  secret: string | null;
  created_by: string;
  expires_at: number;
  failures: number;
}

export interface ApiKeyTable {
  id: string;
  directory: string;
  hash: string;
  scopes: string;
  actor: string;
  created_at: number;
}

export interface OperationTable {
  id: string;
  directory: string;
  api_key: string;
  actor: string;
  made_by: string;
  op: string;
  object_guid: string;
  options: string;
  baseline: string;
  not_after: number;
  created_at: number;
  recipients: string;
  state: string;
  final: number;
  content: string | null;
  secret: string | null;
  result: string | null;
  finished_at: number | null;
  /** The node that takes care of it; null where there is one only. */
  runner: string | null;
}

export interface DispatchTable {
  jti: string;
  operation: string;
  agent: string;
  session: string;
  token: string;
  at: number;
  controller: string | null;
  lost_at: number | null;
  answered_at: number | null;
  code: string | null;
  answer: string | null;
  /** The node that has the session, and the command for it, wrapped; null for a session of the runner's. */
  node: string | null;
  command: string | null;
}

export interface AuditTable {
  seq: Generated<number>;
  at: number;
  directory: string;
  actor: string;
  action: string;
  target: string | null;
  detail: string | null;
  signed: string | null;
}

/** On PostgreSQL only, as are the next two; moments are the database's own. */
export interface NodeTable {
  id: string;
  seen_at: number;
  monotonic_ms: number;
  ended_at: number | null;
}

export interface SessionTable {
  agent: string;
  directory: string;
  node: string;
  session: string;
  epoch: Generated<number>;
  approved: number;
  healthy: number;
  ahead_ms: number;
}

export interface CallTable {
  id: string;
  node: string;
  caller: string;
  body: string;
  answer: string | null;
  at: number;
}
