import type { By } from '../../protocol/codes.ts';

/** Who asks, as the service established it from credentials; nothing of it comes from the request itself. */
export interface Caller {
  readonly directory: string;
  readonly apiKey: string;
  readonly actor: string;
  readonly by: By;
  /** May see why an account is refused, not only that it is. */
  readonly seesAll: boolean;
}
