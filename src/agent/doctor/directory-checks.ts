import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { failed, passed, skipped, warned, type CheckResult } from '../../support/checks.ts';
import type { Clock } from '../../support/clock.ts';
import { messageOf } from '../../support/errors.ts';
import { Secret } from '../../support/secret.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import type { AgentConfig, DomainController } from '../config/agent-config.ts';
import { DirectoryError, type Directory } from '../directory/directory.ts';
import { findControllers, type SrvResolver } from '../directory/srv-discovery.ts';
import { openSurvey, type Survey } from '../directory/survey.ts';
import { openConfigured } from '../open-directory.ts';
import { result, type CheckId } from './check-list.ts';
import { controllerResults } from './controller-checks.ts';
import { rightsResults } from './rights-checks.ts';

export interface DirectoryLook {
  readonly config: AgentConfig;
  readonly clock: Clock;
  /** Default is the DNS of the operating system. */
  readonly resolver?: SrvResolver;
  /** Where a controller that DNS names is connected to. Default is its own address, port 636. */
  readonly place?: (name: string) => DomainController;
}

const ON_CONTROLLERS: readonly CheckId[] = [
  'directory.connect',
  'directory.tls',
  'directory.bind',
  'directory.role',
  'directory.clock',
  'directory.hints',
];

const ON_ACCOUNTS: readonly CheckId[] = [
  'directory.password',
  'directory.rights',
  'directory.unexpire',
  'directory.policies',
  'directory.accounts',
];

/**
 * Looks at every domain controller, then on one that works at what the service account may do. Hands
 * on the directory, to be used and disposed of, when it can be used. Writes nothing.
 */
export async function lookAtDirectory(
  look: DirectoryLook,
  signal: AbortSignal,
): Promise<{ readonly results: readonly CheckResult[]; readonly directory?: Directory }> {
  const { config, clock } = look;
  const found = await discover(look);
  const { controllers } = found;
  if (controllers === undefined) {
    const rest = [...ON_CONTROLLERS, ...ON_ACCOUNTS];
    return { results: [...found.results, ...skipAll(rest, 'no domain controller is known')] };
  }
  const { caFile, pinnedKeys, bind } = config.directory;
  await using survey = await openSurvey(
    {
      controllers,
      ...(caFile !== undefined && { ca: [await readFile(caFile, 'utf8')] }),
      pinnedKeys,
      bind: { user: bind.user, password: () => passwordIn(bind.passwordFile) },
      clock,
    },
    signal,
  );
  const { self, admin } = config.guard.policyHints;
  const policyHints = [self, admin];
  const results = [
    ...found.results,
    ...controllerResults(survey.examinations, { now: clock.now(), policyHints }),
  ];
  if (!survey.usable) {
    return { results: [...results, ...skipAll(ON_ACCOUNTS, 'no domain controller can be used')] };
  }
  const pinned = { ...config, directory: { ...config.directory, domainControllers: controllers } };
  const directory = await openConfigured({ config: pinned, log: silentLogger, clock });
  return {
    results: [...results, ...(await lookAtRights({ config, clock, survey, directory }, signal))],
    directory,
  };
}

async function passwordIn(path: string): Promise<Secret> {
  return new Secret((await readFile(path, 'utf8')).replace(/\r?\n$/, ''));
}

function skipAll(ids: readonly CheckId[], reason: string): readonly CheckResult[] {
  return ids.map((id) => result(id, skipped(reason)));
}

interface Found {
  readonly results: readonly CheckResult[];
  /** Absent: none is known. */
  readonly controllers?: readonly DomainController[];
}

async function discover({ config, resolver, place }: DirectoryLook): Promise<Found> {
  const { domain, site, domainControllers } = config.directory;
  const said = (finding: CheckResult): readonly CheckResult[] => [finding];
  if (domainControllers !== undefined) {
    const names = domainControllers.map(({ name }) => name).join(', ');
    const results = said(result('directory.discovery', passed(`the configuration lists ${names}`)));
    return { results, controllers: domainControllers };
  }
  try {
    const { names, pdc, problems } = await findControllers({
      domain,
      ...(site !== undefined && { site }),
      resolver: resolver ?? new Resolver({ timeout: 1_000, tries: 2 }),
      random: Math.random,
    });
    const found = `DNS names ${names.join(', ')}${pdc === undefined ? '' : `; PDC emulator ${pdc}`}`;
    const finding =
      problems.length === 0
        ? passed(found)
        : warned(`${found}; ${problems.join('; ')}`, 'Correct what it says, here or in DNS.');
    const controllers = names.map(place ?? ((name) => ({ name })));
    return { results: said(result('directory.discovery', finding)), controllers };
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const lines = [`nslookup -type=SRV _ldap._tcp.dc._msdcs.${domain}`];
    const finding = failed(
      messageOf(error),
      'Let this machine ask the DNS servers of the domain, or list directory.domainControllers. To try it:',
      { commands: [{ where: 'here', lines }] },
    );
    return { results: said(result('directory.discovery', finding)) };
  }
}

interface RightsLook {
  readonly config: AgentConfig;
  readonly clock: Clock;
  readonly survey: Survey;
  readonly directory: Directory;
}

async function lookAtRights(
  { config, clock, survey, directory }: RightsLook,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const { guard, directory: settings } = config;
  try {
    const selfTest = await directory.selfTest(guard.baseDns, signal);
    const scope = await survey.scope(guard.baseDns);
    return rightsResults(selfTest, scope, { user: settings.bind.user, now: clock.now() });
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const [first, ...rest] = ON_ACCOUNTS;
    const finding = failed(messageOf(error), 'Run this again; a controller went away meanwhile.');
    return [
      ...(first === undefined ? [] : [result(first, finding)]),
      ...skipAll(rest, 'the controller does not answer any more'),
    ];
  }
}
