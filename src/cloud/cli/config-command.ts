import type { Command } from 'commander';
import { EXIT } from './exit-codes.ts';
import { ConfigError } from '../../support/config-error.ts';
import {
  checkedJson,
  checkedText,
  settingsJson,
  settingsText,
} from '../../support/settings-text.ts';
import { checkConfig, effectiveSettings } from '../config/load-config.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFileOf,
  DATA_FLAG,
  DATA_HELP,
  placeOf,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

type Flags = PlaceFlags & { readonly json?: true };

const CHECK_NOTES = `
Example:
  passback-cloud config check --data /var/lib/passback-cloud

Ends with 0 when it is good and with 78 when it is not.`;

const SHOW_NOTES = `
Example:
  passback-cloud config show --data /var/lib/passback-cloud --json | jq '.settings["listen.port"]'

Each setting with its value and its source: the default, the file, or a variable of the environment.
Passwords and keys are in files of their own: what is shown is their path.`;

/** Adds `config check | show`. */
export function addConfigCommand(program: Command, terminal: Terminal): void {
  const config = program.command('config').description('check and show the configuration');
  config
    .command('check')
    .description('say everything that is wrong with the configuration')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'for programs: { "ok": true } or { "ok": false, "problems": […] }')
    .addHelpText('after', CHECK_NOTES)
    .action((flags: Flags) => check(flags, terminal));
  config
    .command('show')
    .description('print every setting as it counts, and where it comes from')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'for programs: { "settings": { KEY: { "value": …, "source": … } } }')
    .addHelpText('after', SHOW_NOTES)
    .action(async (flags: Flags) => {
      const file = configFileOf(flags);
      const settings = await effectiveSettings(file, terminal.env);
      terminal.print(flags.json === true ? settingsJson(settings, file) : settingsText(settings));
    });
}

async function check(flags: Flags, terminal: Terminal): Promise<void> {
  let notes: readonly string[];
  try {
    ({ notes } = await checkConfig(configFileOf(flags), terminal.env));
  } catch (error) {
    if (!(error instanceof ConfigError) || flags.json !== true) throw error;
    terminal.print(JSON.stringify({ ok: false, problems: error.problems }));
    terminal.setExitCode(EXIT.config);
    return;
  }
  const next = `Next: passback-cloud doctor ${placeOf(flags)}`;
  terminal.print(
    flags.json === true ? JSON.stringify(checkedJson(notes)) : checkedText(notes, next),
  );
}
