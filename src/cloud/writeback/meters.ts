import type { Operation } from '../../protocol/codes.ts';

/** One HTTP request; `route` is as the routes spell it, never what the caller sent. */
export interface ServedRequest {
  readonly method: string;
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** The port: what is counted as it happens. Nothing personal goes in; nothing throws. */
export interface Meters {
  /** By outcome code, or by its state where no agent's answer decided it. */
  operationEnded(op: Operation, code: string): void;
  /** From handing a command over to its answer, or to giving up on one. */
  dispatched(answered: boolean, seconds: number): void;
  prepared(allowed: boolean, seconds: number): void;
  requestServed(request: ServedRequest): void;
  upgradeRefused(code: string): void;
}
