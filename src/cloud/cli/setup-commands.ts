import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { DirectoryId, timestamp } from '../../protocol/shapes.ts';
import { systemClock } from '../../support/clock.ts';
import { shellWord } from '../../support/shell-word.ts';
import { textTable } from '../../support/text-table.ts';
import { UsageError } from '../../support/usage-error.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { dataFolder } from '../data-folder.ts';
import { addDirectory } from '../setup/add-directory.ts';
import { openMadeStore } from '../setup/must-have-database.ts';
import { SCOPES } from '../store/records.ts';
import { isPaused } from '../writeback/pause.ts';
import { addInitCommand } from './init-command.ts';
import type { Terminal } from './terminal.ts';

const ADD_EXAMPLE = `
Example:
  passback-cloud directory add corp --data /var/lib/passback-cloud`;

const LIST_EXAMPLES = `
Examples:
  passback-cloud directory list --data /var/lib/passback-cloud
  passback-cloud directory list --json --data /var/lib/passback-cloud`;

export const DATA_FLAG = '--data <folder>';
export const DATA_HELP = 'the data folder that `init` made';
export const CONFIG_FLAG = '--config <file>';
export const CONFIG_HELP = 'the configuration (default: passback-cloud.yaml in the data folder)';

export interface PlaceFlags {
  readonly data?: string;
  readonly config?: string;
}

/** The flags that say where the service is, for a command line that is shown. */
export function placeOf({ data, config }: PlaceFlags): string {
  return config === undefined ? `--data ${shellWord(data ?? '')}` : `--config ${shellWord(config)}`;
}

/** Adds what works on the data folder itself: `init`, `directory`. */
export function addSetupCommands(program: Command, terminal: Terminal): void {
  addInitCommand(program, terminal);
  addDirectoryCommand(program, terminal);
}

/**
 * The configuration that `--config`, or else `--data`, names, for what works on its data folder. Rejects
 * with `UsageError` for another account than the folder's: the service could not use what root, say,
 * leaves there.
 */
export async function readConfig(flags: PlaceFlags, { env }: Terminal): Promise<CloudConfig> {
  const config = await loadConfig(configFileOf(flags), env);
  await requireOwner(config.dataFolder);
  return config;
}

/**
 * For what only looks. Rejects with `UsageError` for root on files of another account: SQLite writes where it
 * recovers what that account may have prepared, and root would do it.
 */
export async function refuseAsRoot(file: string, { env }: Terminal): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  await requireOwner(dirname(file));
  // What is wrong with the configuration is said by whoever looks at it.
  const config = await loadConfig(file, env).catch(() => undefined);
  if (config !== undefined) await requireOwner(config.dataFolder);
}

async function requireOwner(folder: string): Promise<void> {
  const uid = process.geteuid?.(); // Windows has none: the folder's access list decides
  const owner = (await stat(folder).catch(() => undefined))?.uid; // whoever opens it says what is wrong
  if (uid === undefined || owner === undefined || uid === owner) return;
  throw new UsageError(
    `${folder} belongs to another account (uid ${owner}, this is ${uid}): run this as that account, by runuser -u NAME -- or sudo -u '#${owner}'`,
  );
}

/** The file that `--config`, or else `--data`, names. Throws `UsageError` without either. */
export function configFileOf({ config, data }: PlaceFlags): string {
  if (config !== undefined) return resolve(config);
  if (data !== undefined) return dataFolder(resolve(data)).config;
  throw new UsageError('say where the service is: --data <folder> or --config <file>');
}

interface JsonFlags extends PlaceFlags {
  readonly json?: true;
}

function addDirectoryCommand(program: Command, terminal: Terminal): void {
  const directory = program.command('directory').description('directories of the service');
  directory
    .command('add')
    .description('add a directory: one Active Directory domain')
    .argument('<id>', 'short name, such as corp', directoryId)
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print what was made as JSON')
    .addHelpText('after', ADD_EXAMPLE)
    .action(async (id: string, flags: JsonFlags) => {
      const config = await readConfig(flags, terminal);
      await using store = await openMadeStore(config);
      const createdAt = systemClock.now();
      await addDirectory(store, id, createdAt);
      if (flags.json === true) {
        terminal.print(JSON.stringify({ id, createdAt }));
        return;
      }
      terminal.print(
        [
          `Added directory ${id}; writeback is on.`,
          `Next: passback-cloud key add --directory ${id} --scopes ${SCOPES.join(',')} --actor NAME --out ./admin.key ${placeOf(flags)}`,
        ].join('\n'),
      );
    });
  directory
    .command('list')
    .description('list the directories, and whether their writeback is on')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the list as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action(async (flags: JsonFlags) => {
      await using store = await openMadeStore(await readConfig(flags, terminal));
      const directories = await store.directories.list();
      if (flags.json === true) {
        terminal.print(JSON.stringify({ directories }));
        return;
      }
      const rows = directories.map(({ id, toggle, createdAt }) => [
        ...[id, isPaused(toggle, systemClock.now()) ? 'paused' : 'on', timestamp(createdAt)],
      ]);
      const head = ['ID', 'WRITEBACK', 'MADE'];
      terminal.print(rows.length === 0 ? 'No directories.' : textTable(head, rows).join('\n'));
    });
}

/** A directory id, for commander. */
export function directoryId(text: string): string {
  if (DirectoryId.safeParse(text).success) return text;
  throw new InvalidArgumentError(
    'expected 1 to 63 lower-case letters, digits and hyphens, with no hyphen first, such as corp',
  );
}
