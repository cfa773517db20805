import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import type { Clock } from '../support/clock.ts';
import { privateFolder } from '../support/files.ts';
import { bringForward, knownVersion } from '../support/folder-version.ts';
import type { Logger } from '../support/logger.ts';
import type { ServiceManager } from '../support/service-manager.ts';
import type { StopSignals } from '../support/stop-signals.ts';
import { packageVersion } from '../support/version.ts';
import { Admission } from './commands/guard/admission.ts';
import type { Disk } from './commands/journal-disk.ts';
import { openJournal } from './commands/journal.ts';
import { composeCore, type Core } from './compose-core.ts';
import type { AgentConfig } from './config/agent-config.ts';
import type { Directory } from './directory/directory.ts';
import { finishBegun } from './finish-begun.ts';
import { linkHandlers, takeStanding, type HandlerParts } from './handlers.ts';
import { fitReport } from './health/fit-report.ts';
import { Health, type HealthOptions } from './health/health.ts';
import type { Refreshed } from './health/local-status.ts';
import { startSchedule, type Duties } from './health/schedule.ts';
import { watchedDirectory } from './health/watched-directory.ts';
import { connectToken } from './identity/connect-token.ts';
import { loadIdentity } from './identity/load-identity.ts';
import { Peers } from './identity/peers.ts';
import { lockStateFolder } from './identity/state-lock.ts';
import { STATE_STEPS, STATE_VERSION } from './identity/state-version.ts';
import type { LinkOptions } from './link/link-options.ts';
import { LinkMonitor } from './link/link-report.ts';
import { runLink } from './link/link.ts';
import { Local } from './local.ts';
import { openConfigured } from './open-directory.ts';
import { openOutbound } from './outbound.ts';
import type { Parts } from './parts.ts';
import { PauseEnd } from './pause-end.ts';
import { Reporter } from './reporter.ts';
import { Standing } from './standing.ts';
import { statusFacts } from './status-facts.ts';
import { sweepStateFolder } from './sweep-state-folder.ts';
import { compactJournal, makeRoom, rotateKeys, settleLeftOvers } from './upkeep.ts';

export interface AgentDependencies {
  readonly log: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads redialling. Default is `Math.random`. */
  readonly random?: () => number;
  /** Default is Active Directory as the configuration says; a benchmark brings its own. */
  readonly openDirectory?: (parts: Pick<Parts, 'config' | 'log' | 'clock'>) => Promise<Directory>;
  /** What the journal writes to. Default is the one of this machine. */
  readonly disk?: Disk;
  /** Default is this machine's calendar; a soak brings one that is faster. */
  readonly schedule?: typeof startSchedule;
  /** Whoever has started the process and wants to hear how it is. */
  readonly serviceManager?: ServiceManager | undefined;
}

/**
 * Runs the agent until it is told to stop. `drain` finishes what has begun, tells the service and
 * resolves; `abort` drops it. Rejects for what only a human can cure (configuration, state folder,
 * journal) and for bugs, never for what the network, the service or the directory does.
 */
export async function runAgent(
  config: AgentConfig,
  stop: StopSignals,
  deps: AgentDependencies,
): Promise<void> {
  const { log, clock, random = Math.random, openDirectory = openConfigured, disk } = deps;
  const { stateFolder } = config;
  await privateFolder(stateFolder);
  await knownVersion(stateFolder, STATE_STEPS);
  await using _lock = await lockStateFolder(stateFolder);
  await bringStateForward(stateFolder, log);
  const identity = await loadIdentity(stateFolder, clock);
  await sweepStateFolder(stateFolder, clock.now());
  await using journal = await openJournal({
    path: join(stateFolder, 'journal.jsonl'),
    now: () => clock.now(),
    uuid: randomUUID,
    log,
    ...(disk !== undefined && { disk }),
  });
  await using admission = await Admission.open({
    stateFolder,
    settings: config.guard,
    earlier: journal.begun(),
    clock,
    log,
  });
  await using directory = await openDirectory({ config, log, clock });
  const abort = stop.abort;
  setMaxListeners(0, abort); // one listener for each command in flight
  const { sealing, trust } = identity;
  const peers = new Peers({
    fingerprints: config.peers,
    isOwn: (kid) => sealing.find(kid, clock.now()) !== undefined,
    now: () => clock.now(),
    log,
  });
  const standing = new Standing(trust, clock);
  const known = { config, identity, peers, standing, journal, admission, directory };
  const { schedule = startSchedule, serviceManager } = deps;
  const parts = { ...known, abort, log, clock, random, schedule, serviceManager };
  log.info('agent.started', { agent: identity.agentId, directory: identity.directory });
  if (config.guard.dryRun) {
    log.warn('writeback.dry_run', {
      action: 'nothing will be written; set guard.dryRun to false and restart to end the rehearsal',
    });
  }
  await runParts(parts, stop);
  log.info('agent.stopped');
}

async function bringStateForward(folder: string, log: Logger): Promise<void> {
  const from = await bringForward(folder, STATE_STEPS);
  if (from < STATE_VERSION) log.info('agent.state_migrated', { from, to: STATE_VERSION });
}

async function runParts(parts: Parts, stop: StopSignals): Promise<void> {
  const { journal, admission, directory, clock } = parts;
  const watched = watchedDirectory(directory, () => void health.hurry());
  const core = composeCore(
    { ...parts, directory: watched },
    {
      onUnasked: (seq) => {
        reporter.tellOutcome(seq);
      },
      onEnded: (ended) => {
        local.metrics.ended(ended);
      },
    },
  );
  const { commander } = core;
  const either = AbortSignal.any([stop.drain, stop.abort]);
  const health = openHealth(parts, core, {
    onChange: () => void reporter.tellStatus(),
    signal: either,
  });
  const reporter = openReporter(parts, core, health);
  const monitor = new LinkMonitor(clock);
  const local = new Local(parts, {
    ...{ health, monitor },
    version: packageVersion(),
    oldestCommandAt: () => commander.oldestSince,
    draining: () => either.aborted,
    drain: stop.drain,
  });
  const pauseEnd = new PauseEnd({
    pause: () => admission.pause,
    onOver: () => admission.refresh(),
    clock,
    signal: either,
  });
  const onChanged = (): void => {
    pauseEnd.look();
    health.look();
  };
  admission.watch(onChanged);
  journal.watch(onChanged);
  const begunEnds = finishBegun(commander, parts, stop);
  void core.toggle.watchEnds(pauseEnded({ ...core, onChanged, log: parts.log }), clock, either);
  using _schedule = parts.schedule(dutiesOf(parts, { core, health, reporter, local }));
  const ended = new AbortController();
  const served = local.serve({ refresh: () => refreshOrders(admission) }, ended.signal);
  try {
    const firstLook = firstProbe(health, local);
    await rotateKeys(parts, reporter);
    const handlers = handlersOf(parts, { core, reporter, onChanged });
    await runLink(await linkOptions(parts, { handlers, reporter, health, monitor }), stop);
    await begunEnds();
    await firstLook;
  } finally {
    ended.abort();
    await served;
  }
}

/** Takes what somebody at this machine has just ordered. */
async function refreshOrders(admission: Admission): Promise<Refreshed> {
  await admission.refresh();
  return { paused: admission.pause !== undefined };
}

/** What a pause of the service's that comes to its own end is followed by. */
function pauseEnded({
  toggle,
  onChanged,
  log,
}: Pick<HandlerParts, 'toggle' | 'onChanged' | 'log'>): () => void {
  return () => {
    log.info('writeback.resumed', { version: toggle.state.version });
    onChanged();
  };
}

interface Running {
  readonly core: Core;
  readonly health: Health;
  readonly reporter: Reporter;
  readonly local: Local;
}

function openHealth(
  parts: Parts,
  core: Core,
  told: Pick<HealthOptions, 'onChange' | 'signal'>,
): Health {
  const { directory, config, clock, log } = parts;
  const version = packageVersion();
  const startedAt = clock.now();
  const facts: HealthOptions['facts'] = () => ({
    ...statusFacts(parts, core),
    version,
    startedAt,
  });
  return new Health({ ...told, directory, baseDns: config.guard.baseDns, facts, clock, log });
}

function openReporter(parts: Parts, { toggle }: Core, health: Health): Reporter {
  const { identity, journal, admission, config, clock } = parts;
  const status = (): typeof health.report => fitReport(health.report);
  const version = packageVersion();
  return new Reporter({ identity, journal, toggle, config, admission, version, status, clock });
}

function dutiesOf(parts: Parts, { core, health, reporter, local }: Running): Duties {
  const { admission } = parts;
  return {
    probe: async () => {
      await admission.refresh();
      await makeRoom(parts);
      await health.probe();
      local.watchdog.probed();
      await health.selfTestAgain();
    },
    settleLeftOvers: () => settleLeftOvers(parts, core.commander),
    report: () => reporter.tellStatus(),
    selfTest: () => health.selfTest(),
    rotateKeys: () => rotateKeys(parts, reporter),
    compactJournal: (when) => compactJournal(parts, when),
  };
}

async function firstProbe(health: Health, { watchdog }: Local): Promise<void> {
  await health.probe();
  watchdog.probed();
  await health.selfTest();
}

function handlersOf(
  parts: Parts,
  {
    core,
    reporter,
    onChanged,
  }: Pick<Running, 'core' | 'reporter'> & Pick<HandlerParts, 'onChanged'>,
): HandlerParts {
  const { identity, peers, standing, clock, log } = parts;
  return {
    ...core,
    ...{ trust: identity.trust, peers, standing, onChanged, clock, log },
    hello: (challenge) => reporter.hello(challenge),
    tellStatus: () => reporter.tellStatus(),
    onTrail: (trail, session) => {
      reporter.catchUp(trail, session);
    },
  };
}

interface LinkParts {
  readonly handlers: HandlerParts;
  readonly reporter: Reporter;
  readonly health: Health;
  readonly monitor: LinkMonitor;
}

async function linkOptions(
  { config, identity, log, clock, random }: Parts,
  { handlers, reporter, health, monitor }: LinkParts,
): Promise<LinkOptions> {
  const { urls } = config.service;
  return {
    urls: urls.length === 0 ? [identity.issuer] : urls,
    outbound: await openOutbound(config.service, clock),
    connectToken: () => connectToken(identity, clock.now()),
    hello: handlers.hello,
    onWelcome: async (welcome, session) => {
      await takeStanding(welcome, session, handlers);
      reporter.attach(session);
      health.look();
    },
    handlers: linkHandlers(handlers),
    monitor,
    drainMs: config.drainMs,
    clock,
    log,
    random,
  };
}
