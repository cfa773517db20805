import { decodeJwt } from 'jose';
import { CommandClaims } from '../../protocol/command.ts';
import { messageOf } from '../../support/errors.ts';
import type { LiveSessions } from '../link/live-sessions.ts';
import type { Nodes, RelayedDispatch } from '../store/nodes.ts';
import { Together } from '../store/together.ts';
import { commandPurpose } from './command-purpose.ts';
import type { Core } from '../writeback/core.ts';
import { carryOut, type Dispatch } from '../writeback/dispatch.ts';

export interface DispatchDeskOptions {
  readonly core: Core;
  readonly nodes: Nodes;
  readonly live: LiveSessions;
  readonly own: () => string;
  /** Tells whoever runs the operation to look at its dispatches. */
  readonly tell: (operation: string) => void;
  readonly stopping: AbortSignal;
}

/** Carries out what other nodes have handed to the sessions of this one. */
export class DispatchDesk {
  readonly #options: DispatchDeskOptions;
  readonly #underWay = new Map<string, Promise<void>>();
  /** Carried out, and what came of it could not be written down. */
  readonly #unwritten = new Set<string>();

  readonly #found: Together<string, RelayedDispatch | undefined>;

  constructor(options: DispatchDeskOptions) {
    const { nodes, own } = options;
    this.#options = options;
    this.#found = new Together((jtis) => nodes.relayed.find(own(), jtis));
  }

  /** Somebody says that there is a dispatch. Never rejects. */
  async take(jti: string): Promise<void> {
    if (this.#underWay.has(jti) || this.#unwritten.has(jti)) return;
    const done = this.#carryOut(jti).catch((error: unknown) => {
      this.#unwritten.add(jti);
      this.#options.core.log.error('cloud.request_failed', { jti, problem: messageOf(error) });
    });
    this.#underWay.set(jti, done);
    await done;
    this.#underWay.delete(jti);
  }

  /** Resolves when nothing is under way that was when it was called. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Looks for what no hint came of, and gives up what could not be written down: it is handed over anew. */
  async sweep(): Promise<void> {
    const { nodes, own, core, tell } = this.#options;
    const open = await nodes.relayed.open(own());
    for (const jti of open) {
      if (!this.#unwritten.has(jti)) {
        void this.take(jti);
        continue;
      }
      const found = await this.#found.run(jti);
      await core.store.operations.updateDispatch(jti, { lostAt: core.clock.now() });
      if (found !== undefined) tell(found.record.operation);
    }
    this.#unwritten.clear();
  }

  async #carryOut(jti: string): Promise<void> {
    const { core, tell, stopping } = this.#options;
    const found = await this.#found.run(jti);
    if (found === undefined) return;
    const { operation } = found;
    const dispatch = await this.#toDispatch(found);
    if (dispatch === undefined) {
      await core.store.operations.updateDispatch(jti, { lostAt: core.clock.now() });
      tell(operation.id);
      return;
    }
    const ended = await carryOut(core, operation, dispatch, stopping);
    if (ended === undefined) tell(operation.id); // else it has been told already
  }

  /** Undefined when the session is not there any more. */
  async #toDispatch({
    record,
    command: wrapped,
    others,
  }: RelayedDispatch): Promise<Dispatch | undefined> {
    const { core, live } = this.#options;
    const session = live.find(record.agent);
    if (session?.id !== record.session) return undefined;
    const command = await core.keys.storage.unwrap(wrapped, commandPurpose(record.jti));
    return {
      session,
      claims: CommandClaims.parse(decodeJwt(command)), // as a node of ours signed it
      command,
      record,
      earlier: others,
    };
  }
}
