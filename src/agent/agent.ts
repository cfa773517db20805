import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { timestamp } from '../protocol/shapes.ts';
import type { Clock } from '../support/clock.ts';
import { messageOf } from '../support/errors.ts';
import type { Logger } from '../support/logger.ts';
import { onAbort } from '../support/on-abort.ts';
import { Secret } from '../support/secret.ts';
import type { StopSignals } from '../support/stop-signals.ts';
import { packageVersion } from '../support/version.ts';
import { Admission } from './commands/guard/admission.ts';
import { Commander } from './commands/commander.ts';
import type { Executor } from './commands/job.ts';
import type { Inspector } from './commands/inspect.ts';
import type { Disk } from './commands/journal-disk.ts';
import { openJournal, type Journal } from './commands/journal.ts';
import { Questions } from './commands/questions.ts';
import { Toggle } from './commands/toggle.ts';
import { Trail, type TrailOptions } from './commands/trail.ts';
import type { Verifier } from './commands/verify.ts';
import type { AgentConfig } from './config/agent-config.ts';
import { openActiveDirectory } from './directory/active-directory.ts';
import type { Directory } from './directory/directory.ts';
import { linkHandlers, takeStanding, type HandlerParts } from './handlers.ts';
import { Health } from './health/health.ts';
import { watchedDirectory } from './health/watched-directory.ts';
import { startSchedule } from './health/schedule.ts';
import type { StatusFacts } from './health/status.ts';
import { connectToken } from './identity/connect-token.ts';
import { loadIdentity, type StoredIdentity } from './identity/load-identity.ts';
import { Peers } from './identity/peers.ts';
import { lockStateFolder } from './identity/state-lock.ts';
import { runLink } from './link/link.ts';
import type { LinkOptions } from './link/link-options.ts';
import { LinkMonitor } from './link/link-report.ts';
import { openOutbound } from './outbound.ts';
import { Reporter } from './reporter.ts';
import { Standing } from './standing.ts';
import { sweepStateFolder } from './sweep-state-folder.ts';

/** Does not wait for the night. */
const LARGE_JOURNAL_BYTES = 16 * 2 ** 20;

export interface AgentDependencies {
  readonly log: Logger;
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads redialling. Default is `Math.random`. */
  readonly random?: () => number;
  /** Default is Active Directory as the configuration says; a benchmark brings its own. */
  readonly openDirectory?: (parts: Pick<Parts, 'config' | 'log' | 'clock'>) => Promise<Directory>;
  /** What the journal writes to. Default is the one of this machine. */
  readonly disk?: Disk;
}

interface Parts {
  readonly config: AgentConfig;
  readonly identity: StoredIdentity;
  readonly peers: Peers;
  readonly standing: Standing;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly directory: Directory;
  readonly abort: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
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
  const identity = await loadIdentity(config.stateFolder, clock);
  await using _lock = await lockStateFolder(config.stateFolder);
  await sweepStateFolder(config.stateFolder, clock.now());
  await using journal = await openJournal({
    path: join(config.stateFolder, 'journal.jsonl'),
    now: () => clock.now(),
    uuid: randomUUID,
    log,
    ...(disk !== undefined && { disk }),
  });
  await using admission = await Admission.open({
    stateFolder: config.stateFolder,
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
  const parts = { ...known, abort, log, clock, random };
  log.info('agent.started', { agent: identity.agentId, directory: identity.directory });
  if (config.guard.dryRun) {
    log.warn('writeback.dry_run', {
      action: 'nothing will be written; set guard.dryRun to false and restart to end the rehearsal',
    });
  }
  await runParts(parts, stop);
  log.info('agent.stopped');
}

async function runParts(parts: Parts, stop: StopSignals): Promise<void> {
  const { identity, journal, admission, config, directory, log, clock } = parts;
  const watched = watchedDirectory(directory, () => void health.hurry());
  const onUnasked: TrailOptions['onUnasked'] = (jws) => {
    reporter.tellOutcome(jws);
  };
  const core = composeCore({ ...parts, directory: watched }, onUnasked);
  const { commander, toggle } = core;
  const version = packageVersion();
  const startedAt = clock.now();
  const health = new Health({
    directory,
    facts: () => ({ ...factsOf(parts, { commander, toggle }), version, startedAt }),
    onChange: () => void reporter.tellStatus(),
    clock,
    log,
    signal: AbortSignal.any([stop.drain, stop.abort]),
  });
  const { guard } = config;
  const status = (): typeof health.report => health.report;
  const reporter = new Reporter({
    ...{ identity, journal, toggle, guard, admission, version, status, clock },
  });
  const hello: HandlerParts['hello'] = (challenge) => reporter.hello(challenge);
  const tellStatus = (): Promise<void> => reporter.tellStatus();
  const { trust } = identity;
  const { peers, standing } = parts;
  const onChanged = (): void => {
    health.look();
  };
  admission.watch(onChanged);
  journal.watch(onChanged);
  const onTrail: HandlerParts['onTrail'] = (trail, session) => {
    reporter.catchUp(trail, session);
  };
  const told = { trust, peers, standing, hello, tellStatus, onTrail, onChanged };
  const handlers = { ...core, ...told, clock, log };
  const off = onAbort(stop.drain, () => void commander.drain());
  using _schedule = startSchedule({
    probe: async () => {
      await admission.refresh();
      await makeRoom(parts);
      await settleLeftOvers(parts, commander);
      await health.probe();
    },
    report: tellStatus,
    rotateKeys: () => rotateKeys(parts, reporter),
    compactJournal: (when) => compactJournal(parts, when),
  });
  const monitor = new LinkMonitor(clock);
  const firstProbe = health.probe();
  await rotateKeys(parts, reporter);
  await runLink(await linkOptions(parts, { handlers, reporter, health, monitor }), stop);
  off();
  await firstProbe;
}

interface Core {
  readonly commander: Commander;
  readonly inspector: Inspector;
  readonly toggle: Toggle;
}

/** What carries commands out: everything between the link and the directory. */
function composeCore(parts: Parts, onUnasked: TrailOptions['onUnasked']): Core {
  const { config, identity, journal, admission, directory, abort, log, clock } = parts;
  const { agentId, directory: directoryId, issuer, device, trust, sealing } = identity;
  const now = (): number => clock.now();
  const { commandKeys } = trust;
  const verifier: Verifier = { agentId, directory: directoryId, issuer, commandKeys, now };
  const executor: Executor = {
    directory,
    guard: config.guard,
    admission,
    sealingKey: (kid) => sealing.find(kid, clock.now()),
    stranger: (recipients) => parts.peers.stranger(recipients),
    clock,
  };
  const toggle = new Toggle(journal, verifier);
  const trail = new Trail({ agentId, directory: directoryId, device, journal, now, onUnasked });
  return {
    toggle,
    commander: new Commander({ verifier, executor, journal, trail, toggle, log, abort }),
    inspector: {
      ...{ verifier, executor, toggle, device, log, abort },
      questions: new Questions(clock),
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

function factsOf(
  { config, identity, journal, admission, standing, clock }: Parts,
  { commander, toggle }: Pick<Core, 'commander' | 'toggle'>,
): Omit<StatusFacts, 'controllers' | 'version' | 'startedAt'> {
  const { sealing, trust, device } = identity;
  return {
    at: clock.now(),
    journal: { epoch: journal.epoch, seq: journal.seq, open: journal.open },
    journalProblem: journal.problem?.message,
    toggle: toggle.state,
    pause: admission.pause,
    breaker: admission.breaker,
    dryRun: config.guard.dryRun,
    standing: standing.reasons,
    keys: {
      device: device.kid,
      sealing: sealing.currentKid,
      sealingSince: timestamp(sealing.currentSince),
      keySet: trust.number,
    },
    counters: commander.counters,
  };
}

/** What nobody asks about any more must not keep the agent `degraded` for ever. Never rejects. */
async function settleLeftOvers({ log }: Parts, commander: Commander): Promise<void> {
  try {
    await commander.settleLeftOvers();
  } catch (error) {
    log.warn('operation.unresolved', { reason: messageOf(error) }); // the next minute tries again
  }
}

/** Goes on after the disk was full, once it is not. Never rejects. */
async function makeRoom({ journal, log }: Parts): Promise<void> {
  try {
    await journal.makeRoom();
  } catch (error) {
    log.error('journal.full', { reason: messageOf(error) });
  }
}

/** Lets the journal forget what nobody can ask for any more. Never rejects. */
async function compactJournal(
  { journal, log, clock }: Parts,
  when: 'hourly' | 'daily',
): Promise<void> {
  if (when === 'hourly' && journal.size < LARGE_JOURNAL_BYTES) return;
  const before = journal.size;
  try {
    await journal.compact(clock.now());
    log.info('journal.compacted', { before, after: journal.size });
  } catch (error) {
    // The old one goes on, and the next time tries again.
    log.error('journal.compaction_failed', { reason: messageOf(error) });
  }
}

/** Replaces a sealing key that has come of age and deletes what is kept no longer. Never rejects. */
async function rotateKeys(
  { identity: { sealing }, log, clock }: Parts,
  reporter: Reporter,
): Promise<void> {
  try {
    if ((await sealing.keepFresh(clock.now())) === 'kept') return;
    log.info('keys.rotated', { sealing: sealing.currentKid });
    await reporter.tellSealingKey();
  } catch (error) {
    // The old key goes on working and is tried again in a while.
    log.error('keys.rotation_failed', { reason: messageOf(error) });
  }
}

async function openConfigured({
  config,
  log,
  clock,
}: Pick<Parts, 'config' | 'log' | 'clock'>): Promise<Directory> {
  const { domain, domainControllers, site, caFile, bind } = config.directory;
  const [first, ...others] = domainControllers ?? [];
  const found = { domain, ...(site !== undefined && { site }) };
  const password = async (): Promise<Secret> =>
    new Secret((await readFile(bind.passwordFile, 'utf8')).replace(/\r?\n$/, ''));
  return openActiveDirectory({
    domainControllers: first === undefined ? found : [first, ...others],
    ...(caFile !== undefined && { ca: [await readFile(caFile, 'utf8')] }),
    bind: { user: bind.user, password },
    connections: config.concurrency,
    clock,
    log,
  });
}
