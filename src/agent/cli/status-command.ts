import type { Command } from 'commander';
import { EXIT } from '../../support/command-line.ts';
import { shellWord } from '../../support/shell-word.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import { LocalStatus } from '../health/local-status.ts';
import { configFile } from './config-command.ts';
import { askAgent } from './local-client.ts';
import { placeOf, withPlace, type PlaceFlags } from './place.ts';
import { startCommand } from './start-command.ts';
import { statusText } from './status-text.ts';

/** It runs, and would not carry out everything that it is there for. */
const NOT_WELL = 3;

const NOTES = `
Examples:
  passback status --config /etc/passback/passback.yaml
  passback status --json | jq -r '.notReady[]'

Ends with 0 when writeback is running, with 3 when the agent runs but is paused, degraded, down or has
no session with the reset service, and with 1 when no running agent answers. Run this as the account of
the agent, as a member of the group of its socket (health.socket), or as root.`;

/** Adds `status`: how the agent on this machine is, as it says itself. */
export function addStatusCommand(program: Command, terminal: Terminal): void {
  withPlace(program.command('status'))
    .description('say how the running agent is')
    .addHelpText('after', NOTES)
    .action((flags: PlaceFlags) => status(flags, terminal));
}

async function status(flags: PlaceFlags, terminal: Terminal): Promise<void> {
  const { socket } = await placeOf(flags, terminal);
  const answer = await askAgent({ socket, method: 'GET', path: '/status.json' });
  if (answer === undefined) {
    const config = flags.config === undefined ? '' : ` --config ${shellWord(flags.config)}`;
    const start = startCommand(
      configFile(flags, terminal),
      `start its service, or passback run${config}`,
    );
    throw new UsageError(`no agent is running here: nobody answers at ${socket}; ${start}`);
  }
  const read = LocalStatus.safeParse(answer);
  if (!read.success) {
    throw new UsageError('the running agent is of another version: ask with its own passback');
  }
  const { data } = read;
  terminal.print(
    flags.json === true ? JSON.stringify(data) : statusText(data, terminal.colours === true),
  );
  const isWell = data.status.state === 'running' && data.notReady.length === 0;
  terminal.setExitCode(isWell ? EXIT.ok : NOT_WELL);
}
