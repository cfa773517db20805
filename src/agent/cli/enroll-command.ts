import { hostname } from 'node:os';
import { type Command } from 'commander';
import { systemClock } from '../../support/clock.ts';
import { standardInput } from '../../support/standard-input.ts';
import { shellWord } from '../../support/shell-word.ts';
import { ConfigError } from '../../support/config-error.ts';
import { tlsVerificationProblem } from '../../support/environment-problems.ts';
import type { Environment, Terminal } from '../../support/terminal.ts';
import { certificatesOf, textOf, UsageError } from '../../support/usage-error.ts';
import { packageVersion } from '../../support/version.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { FORMATS } from '../config/formats.ts';
import { resolveProxy } from '../config/proxy-settings.ts';
import { defaultStateFolder } from '../config/settings.ts';
import { enroll } from '../identity/enroll.ts';
import { openOutbound } from '../outbound.ts';
import { becomeOwner } from './become-owner.ts';
import {
  CONFIG_FLAG,
  CONFIG_HELP,
  configFile,
  readConfig,
  type ConfigFlags,
} from './config-command.ts';
import { startCommand } from './start-command.ts';

interface EnrollFlags extends ConfigFlags {
  readonly url: string;
  readonly tokenFile: string;
  readonly name?: string;
  readonly caFile?: string;
  readonly stateFolder?: string;
  readonly json?: true;
}

/** As long as the protocol lets a name be. */
const MAX_NAME = 64;

const EXAMPLES = `
Examples:
  passback enroll --url https://reset.example.com --token-file ./token --config /etc/passback/passback.yaml
  passback enroll --url https://reset.example.com --token-file - < ./token

Make the token in the reset service; it works once, within an hour. Afterwards compare the
fingerprint that is printed with the one the service shows, and approve the agent there. Run this
as the account that will run the agent; or as root, where the state folder belongs to that account
already: then what is written does, too.`;

/** Adds `enroll`. */
export function addEnrollCommand(program: Command, terminal: Terminal): void {
  program
    .command('enroll')
    .description('make this machine an agent of a reset service')
    .requiredOption('--url <url>', 'address of the reset service')
    .requiredOption('--token-file <file>', 'file with the enrolment token; - reads standard input')
    .option('--name <name>', 'what people will call this agent (default: the host name)')
    .option('--ca-file <file>', 'PEM file of the CA of the service (default: service.caFile)')
    .option('--state-folder <folder>', 'where keys go (default: stateFolder)')
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action((flags: EnrollFlags) => run(flags, terminal));
}

async function run(flags: EnrollFlags, terminal: Terminal): Promise<void> {
  checkFlags(flags);
  const problem = tlsVerificationProblem(terminal.env);
  if (problem !== undefined) throw new UsageError(problem);
  const { stateFolder, service } = await places(flags, terminal);
  const tokenText =
    flags.tokenFile === '-' ? await standardInput() : await textOf(flags.tokenFile, '--token-file');
  const { drain } = terminal.stopSignals(0);
  const outbound = await openOutbound(service, systemClock);
  await becomeOwner(stateFolder);
  const enrolled = await enroll(
    {
      url: flags.url,
      tokenText,
      name: flags.name ?? hostname().slice(0, MAX_NAME),
      version: packageVersion(),
      stateFolder,
      outbound,
      clock: systemClock,
      onRetry: (reason) => {
        terminal.complain(`${reason}; trying again`);
      },
    },
    drain,
  );
  if (flags.json === true) {
    terminal.print(JSON.stringify({ ...enrolled, stateFolder }));
    return;
  }
  // A CA of its own is needed there, too; what its file is called there nobody here knows.
  const ca = service.caFile === undefined ? '' : ' --ca ./service-ca.pem';
  terminal.print(
    [
      `Enrolled as agent ${enrolled.agentId} of directory ${enrolled.directory}.`,
      `Fingerprint: ${enrolled.fingerprint}`,
      `Keys are in ${stateFolder}; the token is used up, delete its file.`,
      'Next, where the key of an administrator of the reset service is, compare the fingerprint and approve it:',
      `  passback-cloud agent approve ${enrolled.agentId} --fingerprint ${enrolled.fingerprint} --directory ${enrolled.directory} --url ${shellWord(flags.url)} --key-file ./admin.key${ca}`,
      `then here: ${startHere(flags, terminal)}`,
    ].join('\n'),
  );
}

function startHere(flags: ConfigFlags, terminal: Terminal): string {
  const config = flags.config === undefined ? '' : ` --config ${shellWord(flags.config)}`;
  return startCommand(configFile(flags, terminal), `passback run${config}`);
}

function checkFlags({ url, name }: EnrollFlags): void {
  const problem = FORMATS.url.problem(url);
  if (problem !== undefined) throw new UsageError(`--url: ${problem}`);
  if (name !== undefined && !/^[^\p{Cc}]{1,64}$/u.test(name)) {
    throw new UsageError('--name: expected 1 to 64 characters on one line');
  }
}

interface Places {
  readonly stateFolder: string;
  readonly service: Omit<AgentConfig['service'], 'urls'>;
}

/** Flags win; a configuration is read only for what they leave open, so that one is not needed to enrol. */
async function places(flags: EnrollFlags, terminal: Terminal): Promise<Places> {
  const { caFile, stateFolder } = flags;
  const configured = flags.config !== undefined || (terminal.env.PASSBACK_CONFIG ?? '') !== '';
  const config = configured ? await readConfig(flags, terminal, 'service') : undefined;
  if (caFile !== undefined) await certificatesOf(caFile, '--ca-file');
  const service = config?.service ?? environmentService(terminal.env);
  return {
    stateFolder: stateFolder ?? config?.stateFolder ?? defaultStateFolder(terminal.env),
    service: { ...service, ...(caFile !== undefined && { caFile }) },
  };
}

/** As with a configuration that says nothing about the service. */
function environmentService(env: Environment): Places['service'] {
  const { problems, ...proxy } = resolveProxy(new Map(), env);
  if (problems.length > 0) throw new ConfigError(problems);
  return { systemCa: true, ...proxy };
}
