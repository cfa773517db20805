import { readFile } from 'node:fs/promises';
import { type Command } from 'commander';
import { readState } from '../identity/state-files.ts';
import { shellWord } from '../../support/shell-word.ts';
import { EXIT } from '../../support/command-line.ts';
import { ConfigError } from '../../support/config-error.ts';
import type { Terminal } from '../../support/terminal.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { FilesOf } from '../config/config-files.ts';
import {
  checkConfig,
  effectiveSettings,
  loadConfig,
  type ConfigSource,
} from '../config/load-config.ts';
import { configReference } from '../config/reference.ts';
import {
  checkedJson,
  checkedText,
  settingsJson,
  settingsText,
} from '../../support/settings-text.ts';
import { startCommand } from './start-command.ts';

export interface ConfigFlags {
  readonly config?: string;
}

export const CONFIG_FLAG = '-c, --config <file>';
export const CONFIG_HELP =
  'configuration file (YAML or JSON); without it PASSBACK_CONFIG, else the environment alone';

const CHECK_NOTES = `
Example:
  passback config check --config /etc/passback/passback.yaml

Ends with 0 when it is good and with 78 when it is not.`;

const SHOW_NOTES = `
Examples:
  passback config show --config /etc/passback/passback.yaml
  PASSBACK_GUARD_DRY_RUN=true passback config show --json | jq '.settings["guard.dryRun"]'

Each setting with its value and its source: the default, the file, or a variable of the environment.
Passwords are in files of their own: what is shown is their path.`;

/** Adds `config check | show | reference`. */
export function addConfigCommand(program: Command, terminal: Terminal): void {
  const config = program
    .command('config')
    .description('check the configuration, show it, or print all there is to set');
  config
    .command('check')
    .description('say everything that is wrong with the configuration')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'for programs: { "ok": true } or { "ok": false, "problems": […] }')
    .addHelpText('after', CHECK_NOTES)
    .action((flags: ConfigFlags & { json?: true }) => check(flags, terminal));
  config
    .command('show')
    .description('print every setting as it counts, and where it comes from; no file is opened up')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'for programs: { "settings": { KEY: { "value": …, "source": … } } }')
    .addHelpText('after', SHOW_NOTES)
    .action((flags: ConfigFlags & { json?: true }) => show(flags, terminal));
  config
    .command('reference')
    .description('print all settings as a Markdown table')
    .addHelpText('after', '\nExample:\n  passback config reference | less')
    .action(() => {
      terminal.print(configReference().trimEnd());
    });
}

/** The file that a command's flags and the environment name; undefined: the environment alone. */
export function configFile({ config }: ConfigFlags, { env }: Terminal): string | undefined {
  return config ?? (env.PASSBACK_CONFIG === '' ? undefined : env.PASSBACK_CONFIG);
}

/**
 * The configuration that a command's flags and the environment name; with `filesOf` a file that this
 * command does not need may be missing or closed to it. Rejects with `ConfigError`.
 */
export function readConfig(
  flags: ConfigFlags,
  terminal: Terminal,
  filesOf?: FilesOf,
): Promise<AgentConfig> {
  const only = filesOf === undefined ? {} : { filesOf };
  return readWith((source) => loadConfig({ ...source, ...only }), flags, terminal);
}

function readWith<T>(
  read: (source: ConfigSource) => Promise<T>,
  flags: ConfigFlags,
  terminal: Terminal,
): Promise<T> {
  const file = configFile(flags, terminal);
  const reading = read(configSource(file, terminal));
  return file === undefined ? reading.catch(withoutFile) : reading;
}

/** Most who forget the file do not mean the environment alone. */
function withoutFile(error: unknown): never {
  if (!(error instanceof ConfigError)) throw error;
  const problem = 'no file is named, so only the environment counts: name the file with --config';
  throw new ConfigError([{ key: '--config', problem }, ...error.problems]);
}

async function show(flags: ConfigFlags & { json?: true }, terminal: Terminal): Promise<void> {
  const file = configFile(flags, terminal);
  const settings = await readWith(effectiveSettings, flags, terminal);
  terminal.print(flags.json === true ? settingsJson(settings, file) : settingsText(settings));
}

/** What the configuration is read from. */
export function configSource(file: string | undefined, { env }: Terminal): ConfigSource {
  const readText = (path: string): Promise<string> => readFile(path, 'utf8');
  return { ...(file !== undefined && { file }), env, readText };
}

async function check(flags: ConfigFlags & { json?: true }, terminal: Terminal): Promise<void> {
  let checked: Awaited<ReturnType<typeof checkConfig>>;
  try {
    checked = await readWith(checkConfig, flags, terminal);
  } catch (error) {
    if (!(error instanceof ConfigError) || flags.json !== true) throw error;
    terminal.print(JSON.stringify({ ok: false, problems: error.problems }));
    terminal.setExitCode(EXIT.config);
    return;
  }
  const { config, notes } = checked;
  if (flags.json === true) terminal.print(JSON.stringify(checkedJson(notes)));
  else terminal.print(checkedText(notes, await nextStep(config, flags, terminal)));
}

/** What a person does with a good configuration. */
async function nextStep(
  { stateFolder }: AgentConfig,
  flags: ConfigFlags,
  terminal: Terminal,
): Promise<string> {
  const { config } = flags;
  const file = config === undefined ? '' : ` --config ${shellWord(config)}`;
  return (await isEnrolled(stateFolder))
    ? `Next: ${startCommand(configFile(flags, terminal), `passback run${file}`)}`
    : `Next: passback enroll --url https://… --token-file FILE${file}   (\`passback-cloud token\` makes the token)`;
}

async function isEnrolled(stateFolder: string): Promise<boolean> {
  try {
    return (await readState(stateFolder, 'identity')) !== undefined;
  } catch {
    return true; // `run` says what is wrong with it
  }
}
