import type { Command } from 'commander';
import {
  addBundleOptions,
  finishBundle,
  type BundleFlags as CommonFlags,
} from '../../support/bundle/bundle-command.ts';
import { logLinesOf } from '../../support/bundle/write-bundle.ts';
import { ConfigError } from '../../support/config-error.ts';
import { standardInput } from '../../support/standard-input.ts';
import type { Terminal } from '../../support/terminal.ts';
import { textOf, UsageError } from '../../support/usage-error.ts';
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

type BundleFlags = CommonFlags & ConfigFlags;

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
  const command = program
    .command('support-bundle')
    .description('write one file for whoever helps, without secrets and names of accounts')
    .option(CONFIG_FLAG, CONFIG_HELP);
  addBundleOptions(command, 'passback')
    .addHelpText('after', NOTES)
    .action((flags: BundleFlags) => bundle(flags, terminal));
}

async function bundle(flags: BundleFlags, terminal: Terminal): Promise<void> {
  const now = Date.now();
  const file = configFile(flags, terminal);
  if (file !== undefined) await textOf(file, '--config'); // a wrong path is no wrong configuration
  const source = configSource(file, terminal);
  const config = await usable(source);
  const stateFolder = config?.stateFolder ?? defaultStateFolder(terminal.env);
  const socket = config?.health.socket ?? defaultSocket(stateFolder);
  const log = flags.log ?? config?.logging.file;
  const logLines = log === undefined ? [] : await logLinesOf(log, standardInput);
  const { drain } = terminal.stopSignals(0);
  const { files, notOurs } = await collectBundle({
    ...{ source, config, stateFolder, logLines, now },
    checks: await examine(doctorOptions(flags, terminal), drain),
    status: await askAgent({ socket, method: 'GET', path: '/status.json' }).catch(unasked),
    lines: flags.lines,
    withAccounts: flags.withAccounts === true,
  });
  const hasLog = log !== undefined;
  terminal.print(await finishBundle(flags, { program: 'passback', files, hasLog, notOurs, now }));
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
