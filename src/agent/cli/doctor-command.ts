import type { Command } from 'commander';
import { systemClock } from '../../support/clock.ts';
import { doctorExit, doctorJson } from '../../support/check-report.ts';
import { checkSummary, checkText } from '../../support/check-text.ts';
import type { Terminal } from '../../support/terminal.ts';
import { UsageError } from '../../support/usage-error.ts';
import { FORMATS } from '../config/formats.ts';
import type { CanaryOptions } from '../doctor/canary.ts';
import { CHECK_TITLES } from '../doctor/check-list.ts';
import { examine, type DoctorOptions } from '../doctor/doctor.ts';
import { CONFIG_FLAG, CONFIG_HELP, configFile, type ConfigFlags } from './config-command.ts';
import { askAgent } from './local-client.ts';
import { startCommand } from './start-command.ts';

interface DoctorFlags extends ConfigFlags {
  readonly url?: string;
  readonly canary?: string;
  readonly yes?: true;
  readonly json?: true;
}

const NOTES = `
Examples:
  passback doctor --config /etc/passback/passback.yaml
  passback doctor --config /etc/passback/passback.yaml --url https://reset.example.com   (before enrolment)
  passback doctor --config /etc/passback/passback.yaml --json | jq '.checks[] | select(.standing == "fail")'
  passback doctor --config /etc/passback/passback.yaml --canary passback-canary

Looks at this machine, the way to the reset service and the directory, in that order, and says what to
do. It changes nothing; only with --canary one throw-away account is really reset and unlocked, after
asking, to a random password that nobody sees. What depends on something that failed is SKIP. Run it as
root, or as the account that runs the agent where that may read the password's file.

Ends with 0 when nothing is FAIL (warnings may be there), with 1 when something is, and with 78 when
the configuration has to be corrected first.`;

/** Adds `doctor`. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('find out what is wrong, and what to do about it; changes nothing')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--url <url>', 'address of the reset service (default: service.url, or as enrolled)')
    .option('--canary <name>', 'really reset and unlock this throw-away account')
    .option('--yes', 'do not ask before the canary is written')
    .option('--json', 'for programs: { "ok": …, "counts": …, "checks": […] }')
    .addHelpText('after', NOTES)
    .action((flags: DoctorFlags) => doctor(flags, terminal));
}

async function doctor(flags: DoctorFlags, terminal: Terminal): Promise<void> {
  const problem = flags.url === undefined ? undefined : FORMATS.url.problem(flags.url);
  if (problem !== undefined) throw new UsageError(`--url: ${problem}`);
  const inColour = terminal.colours === true;
  const { drain } = terminal.stopSignals(0);
  const results = await examine(
    {
      ...doctorOptions(flags, terminal),
      canary: canaryOf(flags, terminal),
      onResults: (some) => {
        if (flags.json === true) return;
        for (const one of some) terminal.print(checkText(one, CHECK_TITLES, inColour));
      },
    },
    drain,
  );
  terminal.print(flags.json === true ? doctorJson(results) : checkSummary(results, inColour));
  terminal.setExitCode(doctorExit(results));
}

/** What the checks need of the command line and this process. */
export function doctorOptions(
  flags: ConfigFlags & { readonly url?: string },
  terminal: Terminal,
): DoctorOptions {
  const file = configFile(flags, terminal);
  return {
    file,
    env: terminal.env,
    url: flags.url,
    nodeVersion: process.version,
    clock: systemClock,
    start: (run) => startCommand(file, run),
    askStatus: (socket) => askAgent({ socket, method: 'GET', path: '/status.json' }),
  };
}

function canaryOf(
  { canary: name, yes }: DoctorFlags,
  { confirm }: Terminal,
): Pick<CanaryOptions, 'name' | 'confirm'> | undefined {
  if (name === undefined) return undefined;
  if (yes === true) return { name, confirm: () => Promise.resolve(true) };
  if (confirm === undefined) {
    throw new UsageError(
      '--canary asks before it writes, and nobody is at a terminal here: add --yes',
    );
  }
  return { name, confirm };
}
