import { readFile } from 'node:fs/promises';
import type { CheckResult } from '../../support/checks.ts';
import { failed, passed, skipped } from '../../support/checks.ts';
import type { Clock } from '../../support/clock.ts';
import { ConfigError } from '../../support/config-error.ts';
import { lookAtRuntime } from '../../support/runtime-check.ts';
import type { Environment } from '../../support/terminal.ts';
import { packageVersion } from '../../support/version.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { loadConfig } from '../config/load-config.ts';
import type { Directory } from '../directory/directory.ts';
import { defaultSocket } from '../health/local-socket.ts';
import { openOutbound } from '../outbound.ts';
import { lookAtAgent, lookAtHealthPort, type AskStatus } from './agent-check.ts';
import { tryCanary, type CanaryOptions } from './canary.ts';
import { CHECKS, result, type CheckId } from './check-list.ts';
import { lookAtDirectory, type DirectoryLook } from './directory-checks.ts';
import { lookAtFiles, lookAtStrangers } from './machine-checks.ts';
import { lookAtService } from './service-checks.ts';
import {
  lookAtEnrolment,
  lookAtFolder,
  lookAtJournal,
  lookAtOrders,
  pasteWith,
} from './state-checks.ts';

const CHECK_IDS = Object.keys(CHECKS) as readonly CheckId[];

export interface DoctorOptions extends Pick<DirectoryLook, 'resolver' | 'place'> {
  /** The configuration file; absent: the environment alone. */
  readonly file?: string | undefined;
  readonly env: Environment;
  /** Where the service is, before enrolment has said so. */
  readonly url?: string | undefined;
  /** Of what would run the agent. */
  readonly nodeVersion: string;
  readonly clock: Clock;
  /** What starts the agent here, given the command that would in the foreground. */
  readonly start?: ((run: string) => string) | undefined;
  /** How the agent at a control socket is asked. */
  readonly askStatus: (socket: string) => ReturnType<AskStatus>;
  /** A throw-away account that is really reset, if any. */
  readonly canary?: Pick<CanaryOptions, 'name' | 'confirm'> | undefined;
  /** Hears of each group of results as soon as it is there. */
  readonly onResults?: (results: readonly CheckResult[]) => void;
}

/**
 * Makes every check in its order and answers all results. Changes nothing here or in the directory, but
 * for a canary that was asked for and confirmed. Rejects for bugs only.
 */
export async function examine(
  options: DoctorOptions,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const all: CheckResult[] = [];
  const say = (...results: readonly CheckResult[]): void => {
    all.push(...results);
    options.onResults?.(results);
  };
  const runtime = lookAtRuntime(options.nodeVersion, options.env, ['ldapts']);
  say(result('machine.runtime', runtime));
  const { config, results } = await lookAtConfig(options);
  say(...results);
  if (config === undefined) {
    say(...skipFrom('files.private', 'the configuration cannot be used', options));
    return all;
  }
  const issuer = await lookAtMachine(config, options, say);
  // Without verification, connecting would show nothing, and give the password away.
  if (runtime.standing === 'fail') {
    say(...skipFrom('service.address', 'the environment has to be corrected first', options));
    return all;
  }
  say(...(await lookAtServices(config, { ...options, issuer }, signal)));
  const seen = await lookAtDirectory({ ...options, config }, signal);
  await using directory = seen.directory;
  say(...seen.results);
  if (options.canary !== undefined) {
    say(...(await lookAtCanary({ config, directory, canary: options.canary, all }, signal)));
  }
  return all;
}

/** This check and all behind it, as not made. */
function skipFrom(
  first: CheckId,
  reason: string,
  { canary }: Pick<DoctorOptions, 'canary'>,
): readonly CheckResult[] {
  return CHECK_IDS.slice(CHECK_IDS.indexOf(first))
    .filter((id) => canary !== undefined || !id.startsWith('canary.'))
    .map((id) => result(id, skipped(reason)));
}

async function lookAtConfig({ file, env }: Pick<DoctorOptions, 'file' | 'env'>): Promise<{
  readonly config?: AgentConfig;
  readonly results: readonly CheckResult[];
}> {
  const source = { ...(file !== undefined && { file }), env };
  try {
    const config = await loadConfig({ ...source, readText: (path) => readFile(path, 'utf8') });
    const where = file ?? 'the environment alone';
    return { config, results: [result('config.settings', passed(`${where} is good`))] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const hint =
      file === undefined
        ? 'Name the file with --config, or correct it.'
        : 'Correct it; REFERENCE.md has every setting.';
    const results = error.problems.map(({ key, problem }) =>
      result('config.settings', failed(problem, hint), key),
    );
    return { results };
  }
}

/** What is on this machine; answers the address that enrolment has learned. */
async function lookAtMachine(
  config: AgentConfig,
  { file, clock, askStatus, start = (run) => run }: DoctorOptions,
  say: (...results: readonly CheckResult[]) => void,
): Promise<string | undefined> {
  const { stateFolder, health, guard } = config;
  const paste = pasteWith(file);
  const strangers = await lookAtStrangers(stateFolder);
  if (strangers.length > 0) {
    say(...strangers.map(({ finding, about }) => result('files.private', finding, about)));
    const rest = CHECK_IDS.filter((id) => id.startsWith('state.'));
    say(...rest.map((id) => result(id, skipped('look into the state folder first'))));
    return undefined;
  }
  const files = await lookAtFiles(config, file);
  say(...files.map(({ finding, about }) => result('files.private', finding, about)));
  const folder = await lookAtFolder(stateFolder);
  say(result('state.folder', folder));
  const { finding, identity } = await lookAtEnrolment(stateFolder, clock, paste);
  say(result('state.enrolment', finding));
  say(result('state.journal', await lookAtJournal(stateFolder)));
  const socket = health.socket ?? defaultSocket(stateFolder);
  const place = {
    ...{ stateFolder, socket, version: packageVersion() },
    enrolled: identity !== undefined,
    run: start(paste('run')),
  };
  say(result('state.agent', await lookAtAgent(place, () => askStatus(socket))));
  say(result('state.port', await lookAtHealthPort(health, stateFolder)));
  const orders = await lookAtOrders(stateFolder, {
    ...{ dryRun: guard.dryRun, now: clock.now(), paste },
  });
  say(...orders.map((order) => result('state.orders', order)));
  return identity?.issuer;
}

async function lookAtServices(
  { service }: AgentConfig,
  {
    url,
    issuer,
    clock,
  }: Pick<DoctorOptions, 'url' | 'clock'> & { readonly issuer: string | undefined },
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const learned = issuer === undefined ? [] : [issuer];
  const [from, urls] =
    url !== undefined
      ? ['--url', [url]]
      : service.urls.length > 0
        ? ['service.url', service.urls]
        : ['enrolment', learned];
  if (urls.length === 0) {
    const reason = 'no address is known before enrolment: give it with --url https://…';
    const rest = CHECK_IDS.filter((id) => id.startsWith('service.') && id !== 'service.address');
    return [
      result('service.address', skipped(reason)),
      ...rest.map((id) => result(id, skipped('no address is known'))),
    ];
  }
  const address = result('service.address', passed(`${urls.join(', ')} (${from})`));
  const outbound = await openOutbound(service, clock);
  const looks = urls.map((one) => lookAtService(one, { outbound, clock }, signal));
  return [address, ...(await Promise.all(looks)).flat()];
}

interface CanaryLook {
  readonly config: AgentConfig;
  readonly directory: Directory | undefined;
  readonly canary: Pick<CanaryOptions, 'name' | 'confirm'>;
  readonly all: readonly CheckResult[];
}

async function lookAtCanary(
  { config: { guard }, directory, canary, all }: CanaryLook,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  if (directory === undefined) {
    const reason = skipped('no domain controller can be used');
    return [result('canary.account', reason), result('canary.write', reason)];
  }
  const orders = all.filter(({ id, standing }) => id === 'state.orders' && standing !== 'pass');
  const stopped = orders
    .filter(({ standing }) => standing === 'warn' || standing === 'fail')
    .map(({ found }) => found)
    .join('; ');
  const options = { ...canary, directory, guard, stopped: stopped === '' ? undefined : stopped };
  return tryCanary(options, signal);
}
