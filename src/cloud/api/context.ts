import type { ApiKeyRecord, Scope } from '../store/records.ts';
import type { Caller } from '../writeback/caller.ts';
import type { Core } from '../writeback/core.ts';
import type { Dispatcher } from '../writeback/dispatcher.ts';

/** What the routes work with. */
export interface ApiOptions {
  readonly core: Core;
  readonly dispatcher: Dispatcher;
  /** Aborted: nothing new is taken. */
  readonly draining: AbortSignal;
  /** Aborted: nothing is waited for any more. */
  readonly stopping: AbortSignal;
}

/** What the middleware finds out about a request. */
export interface ApiEnv {
  readonly Variables: {
    readonly requestId: string;
    readonly apiKey: ApiKeyRecord;
  };
}

/** The caller that an API key stands for. Keys are administrators' and programs': `self` is never theirs. */
export function callerOf(key: ApiKeyRecord): Caller {
  return {
    directory: key.directory,
    apiKey: key.id,
    actor: key.actor,
    by: 'admin',
    seesAll: key.scopes.includes('admin'),
  };
}

/** An administrator may look at the status, too; resetting is a scope of its own. */
export function hasScope(key: ApiKeyRecord, scope: Scope): boolean {
  return key.scopes.includes(scope) || (scope === 'status' && key.scopes.includes('admin'));
}
