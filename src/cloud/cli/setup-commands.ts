import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { DirectoryId } from '../../protocol/shapes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { systemClock } from '../../support/clock.ts';
import { UsageError } from '../../support/usage-error.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { dataFolder } from '../data-folder.ts';
import { addDirectory } from '../setup/add-directory.ts';
import { initService } from '../setup/init-service.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import type { Terminal } from './terminal.ts';

export const DATA_FLAG = '--data <folder>';
export const DATA_HELP = 'the data folder that `init` made';
export const CONFIG_FLAG = '--config <file>';
export const CONFIG_HELP = 'the configuration (default: passback-cloud.yaml in the data folder)';

export interface PlaceFlags {
  readonly data?: string;
  readonly config?: string;
}

/** Adds what works on the data folder itself: `init`, `directory`. */
export function addSetupCommands(program: Command, terminal: Terminal): void {
  addInit(program, terminal);
  addDirectoryCommand(program, terminal);
}

/** The configuration that `--config`, or else `--data`, names. */
export async function readConfig(flags: PlaceFlags, { env }: Terminal): Promise<CloudConfig> {
  if (flags.config !== undefined) return loadConfig(resolve(flags.config), env);
  if (flags.data !== undefined) return loadConfig(dataFolder(resolve(flags.data)).config, env);
  throw new UsageError('say where the service is: --data <folder> or --config <file>');
}

interface InitFlags {
  readonly url: string;
  readonly data: string;
  readonly host?: string;
  readonly port?: number;
  readonly cert?: string;
  readonly key?: string;
  readonly json?: true;
}

function addInit(program: Command, terminal: Terminal): void {
  program
    .command('init')
    .description('make the keys, the configuration and the database of a new service')
    .requiredOption('--url <url>', 'what agents and callers will reach it by, https://…', httpsUrl)
    .requiredOption(DATA_FLAG, 'folder to make; only its owner may enter it')
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('--port <port>', 'port to listen on (default: 8443)', portNumber)
    .option('--cert <file>', 'PEM file with the certificate chain; without: behind a reverse proxy')
    .option('--key <file>', 'PEM file with its private key')
    .option('--json', 'print the result as JSON')
    .action(async (flags: InitFlags) => {
      const folder = dataFolder(resolve(flags.data));
      const made = await initService(
        folder,
        {
          url: flags.url,
          host: flags.host,
          port: flags.port,
          certificateFile: flags.cert && resolve(flags.cert),
          keyFile: flags.key && resolve(flags.key),
        },
        systemClock.now(),
      );
      const keySetExpiresAt = timestamp(made.keySetExpiresAt);
      if (flags.json === true) {
        terminal.print(JSON.stringify({ ...made, keySetExpiresAt, config: folder.config }));
        return;
      }
      terminal.print(
        [
          `Made ${folder.path} for ${flags.url}.`,
          `Root key: ${made.root}`,
          `Move ${made.rootFile} to a safe place off line; only \`keys rotate\` needs it, before ${keySetExpiresAt}.`,
          `Next: passback-cloud directory add corp --data ${flags.data}`,
        ].join('\n'),
      );
    });
}

function addDirectoryCommand(program: Command, terminal: Terminal): void {
  const directory = program.command('directory').description('directories of the service');
  directory
    .command('add')
    .description('add a directory: one Active Directory domain')
    .argument('<id>', 'short name, such as corp', directoryId)
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .action(async (id: string, flags: PlaceFlags) => {
      const config = await readConfig(flags, terminal);
      await using store = await openSqliteStore(dataFolder(config.dataFolder).database);
      await addDirectory(store, id, systemClock.now());
      terminal.print(`Added directory ${id}; writeback is on.`);
    });
}

function httpsUrl(text: string): string {
  if (URL.canParse(text) && new URL(text).protocol === 'https:') return text.replace(/\/+$/, '');
  throw new InvalidArgumentError('expected an address such as https://reset.example.com');
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('expected a number up to 65535');
}

/** A directory id, for commander. */
export function directoryId(text: string): string {
  if (DirectoryId.safeParse(text).success) return text;
  throw new InvalidArgumentError('expected lower-case letters, digits and hyphens');
}
