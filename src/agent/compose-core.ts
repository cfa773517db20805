import { Commander, type CommanderOptions } from './commands/commander.ts';
import type { Inspector } from './commands/inspect.ts';
import type { Executor } from './commands/job.ts';
import { Questions } from './commands/questions.ts';
import { Toggle } from './commands/toggle.ts';
import { Trail, type TrailOptions } from './commands/trail.ts';
import type { Verifier } from './commands/verify.ts';
import type { Parts } from './parts.ts';

export interface Core {
  readonly commander: Commander;
  readonly inspector: Inspector;
  readonly toggle: Toggle;
}

/** Who wants to hear of what is carried out. */
export interface CoreListeners {
  readonly onUnasked: TrailOptions['onUnasked'];
  readonly onEnded: NonNullable<CommanderOptions['onEnded']>;
}

/** What carries commands out: everything between the link and the directory. */
export function composeCore(parts: Parts, { onUnasked, onEnded }: CoreListeners): Core {
  const { config, identity, journal, admission, directory, abort, log, clock } = parts;
  const { agentId, directory: directoryId, issuer, device, trust, sealing } = identity;
  const now = (): number => clock.now();
  const { commandKeys } = trust;
  const verifier: Verifier = { agentId, directory: directoryId, issuer, commandKeys, now };
  const executor: Executor = {
    directory,
    guard: config.guard,
    admission,
    sealingKey: (kid) => sealing.find(kid, clock.now()),
    stranger: (recipients) => parts.peers.stranger(recipients),
    clock,
  };
  const toggle = new Toggle(journal, verifier);
  const trail = new Trail({ agentId, directory: directoryId, device, journal, now, onUnasked });
  return {
    toggle,
    commander: new Commander({ verifier, executor, journal, trail, toggle, log, abort, onEnded }),
    inspector: {
      ...{ verifier, executor, toggle, device, log, abort },
      questions: new Questions(clock),
    },
  };
}
