import type { Command } from 'commander';
import type { Terminal } from '../../support/terminal.ts';
import { defaultStateFolder } from '../config/settings.ts';
import { defaultSocket } from '../health/local-socket.ts';
import { CONFIG_FLAG, CONFIG_HELP, readConfig, type ConfigFlags } from './config-command.ts';

export interface PlaceFlags extends ConfigFlags {
  readonly stateFolder?: string;
  readonly json?: true;
}

/** Where an agent of this machine keeps its state, and where it can be spoken to. */
export interface Place {
  readonly stateFolder: string;
  readonly socket: string;
}

/** Adds the flags that say which agent is meant. */
export function withPlace(command: Command): Command {
  return command
    .option('--state-folder <folder>', 'of the agent (default: stateFolder)')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the result as JSON');
}

/** Rejects with `ConfigError` when a configuration is named that is not good. */
export async function placeOf(flags: PlaceFlags, terminal: Terminal): Promise<Place> {
  const configured = flags.config !== undefined || (terminal.env.PASSBACK_CONFIG ?? '') !== '';
  const config =
    configured && flags.stateFolder === undefined
      ? await readConfig(flags, terminal, 'nobody')
      : undefined;
  const stateFolder = flags.stateFolder ?? config?.stateFolder ?? defaultStateFolder(terminal.env);
  return { stateFolder, socket: config?.health.socket ?? defaultSocket(stateFolder) };
}
