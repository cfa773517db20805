import type { Command } from 'commander';
import { checkSummary, checkText } from '../../support/check-text.ts';
import { doctorExit, doctorJson } from '../../support/check-report.ts';
import { CHECK_TITLES } from '../doctor/check-list.ts';
import { examine } from '../doctor/doctor.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFileOf,
  DATA_FLAG,
  DATA_HELP,
  refuseAsRoot,
  type PlaceFlags,
} from './setup-commands.ts';
import type { Terminal } from './terminal.ts';

const NOTES = `
Examples:
  passback-cloud doctor --data /var/lib/passback-cloud
  passback-cloud doctor --data /var/lib/passback-cloud --json | jq '.checks[] | select(.standing == "fail")'

Looks at this machine, the keys, the certificate, the port and the database, and says what to do. It
changes nothing, and may be run while the service runs. Run it as the account of the service.

Ends with 0 when nothing is FAIL (warnings may be there), with 1 when something is, and with 78 when
the configuration has to be corrected first.`;

/** Adds `doctor`. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('find out what is wrong with this service, and what to do about it')
    .option(DATA_FLAG, DATA_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'for programs: { "ok": …, "counts": …, "checks": […] }')
    .addHelpText('after', NOTES)
    .action((flags: PlaceFlags & { readonly json?: true }) => doctor(flags, terminal));
}

async function doctor(
  flags: PlaceFlags & { readonly json?: true },
  terminal: Terminal,
): Promise<void> {
  const inColour = terminal.colours === true;
  const file = configFileOf(flags);
  await refuseAsRoot(file, terminal);
  const results = await examine({
    file,
    env: terminal.env,
    nodeVersion: process.version,
    now: Date.now(),
    onResults: (some) => {
      if (flags.json === true) return;
      for (const one of some) terminal.print(checkText(one, CHECK_TITLES, inColour));
    },
  });
  terminal.print(flags.json === true ? doctorJson(results) : checkSummary(results, inColour));
  terminal.setExitCode(doctorExit(results));
}
