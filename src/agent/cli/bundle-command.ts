import { resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import {
  bundleName,
  logLinesOf,
  MAX_LINES,
  writeBundle,
} from '../../support/bundle/write-bundle.ts';
import { ConfigError } from '../../support/config-error.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import { collectBundle } from '../bundle/collect.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { defaultStateFolder } from '../config/settings.ts';
import { examine } from '../doctor/doctor.ts';
import { defaultSocket } from '../health/local-socket.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFile,
  configSource,
  type ConfigFlags,
} from './config-command.ts';
import { doctorOptions } from './doctor-command.ts';
import { askAgent } from './local-client.ts';
import { standardInput } from './standard-input.ts';

interface BundleFlags extends ConfigFlags {
  readonly out?: string;
  readonly log?: string;
  readonly lines: number;
  readonly withAccounts?: true;
  readonly json?: true;
}

const NOTES = `
Examples:
  passback support-bundle --config /etc/passback/passback.yaml
  journalctl -u passback -o cat -n 5000 | passback support-bundle --config /etc/passback/passback.yaml --log -

One .tar.gz for whoever helps you: version, settings, status.json, what doctor finds, numbers of the journal,
and the last log lines. Only known settings and known fields of known events go in, never the content of
a file with a secret, and no names of accounts without --with-accounts, which also lets in what people
typed and the sentences in log lines. Look into it before you send it: tar -xzOf FILE | less.
Run it as the account of the agent.`;

/** Adds `support-bundle`. */
export function addBundleCommand(program: Command, terminal: Terminal): void {
  program
    .command('support-bundle')
    .description('write one file for whoever helps, without secrets and names of accounts')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--out <file>', 'the file to make (default: passback-support-TIME.tar.gz here)')
    .option('--log <file>', 'log lines; - reads standard input (default: logging.file)')
    .option('--lines <count>', 'how many of the last log lines', lineCount, 2_000)
    .option('--with-accounts', 'also names of accounts, and texts that may hold some')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', NOTES)
    .action((flags: BundleFlags) => bundle(flags, terminal));
}

function lineCount(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= MAX_LINES) return Number(text);
  throw new InvalidArgumentError(`expected a number up to ${MAX_LINES}`);
}

async function bundle(flags: BundleFlags, terminal: Terminal): Promise<void> {
  const now = Date.now();
  const source = configSource(configFile(flags, terminal), terminal);
  const config = await usable(source);
  const stateFolder = config?.stateFolder ?? defaultStateFolder(terminal.env);
  const socket = config?.health.socket ?? defaultSocket(stateFolder);
  const log = flags.log ?? config?.logging.file;
  const logLines = log === undefined ? [] : await logLinesOf(log, standardInput);
  const { drain } = terminal.stopSignals(0);
  const files = await collectBundle({
    ...{ source, config, stateFolder, logLines, now },
    checks: await examine(doctorOptions(flags, terminal), drain),
    status: await askAgent({ socket, method: 'GET', path: '/status.json' }).catch(unasked),
    lines: flags.lines,
    withAccounts: flags.withAccounts === true,
  });
  const path = resolve(flags.out ?? bundleName('passback', now));
  await writeBundle(path, files, now);
  if (flags.json === true) {
    terminal.print(JSON.stringify({ file: path, entries: files.map(({ name }) => name) }));
    return;
  }
  terminal.print(`Wrote ${path}: ${files.map(({ name }) => name.split('/').at(-1)).join(', ')}.`);
  if (log === undefined) {
    terminal.print(
      'Log lines are not in it: the log goes to standard output. Add --log FILE, or journalctl -u passback -o cat | … --log -',
    );
  }
}

/** What is wrong with it is a part of the bundle. */
async function usable(source: Parameters<typeof loadConfig>[0]): Promise<AgentConfig | undefined> {
  try {
    return await loadConfig(source);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** The doctor says why. */
function unasked(error: unknown): undefined {
  if (!(error instanceof UsageError)) throw error;
  return undefined;
}
