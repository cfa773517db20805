import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAgent } from '../../src/agent/agent.ts';
import type { GuardSettings } from '../../src/agent/commands/guard/guard-settings.ts';
import type { Disk } from '../../src/agent/commands/journal-disk.ts';
import type { AgentConfig } from '../../src/agent/config/agent-config.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import type { startSchedule } from '../../src/agent/health/schedule.ts';
import { enroll } from '../../src/agent/identity/enroll.ts';
import { openOutbound } from '../../src/agent/outbound.ts';
import { systemClock, type Clock } from '../../src/support/clock.ts';
import type { Logger } from '../../src/support/logger.ts';
import type { ServiceManager } from '../../src/support/service-manager.ts';
import { OPEN_GUARD } from './command-rig.ts';
import { MemoryLog } from './memory-log.ts';
import type { ScriptedService } from './scripted-service.ts';

export interface AgentOptions {
  readonly directory: Directory;
  readonly guard?: GuardSettings;
  readonly peers?: readonly string[];
  readonly log?: Logger;
  readonly drainMs?: number;
  readonly disk?: Disk;
  readonly health?: Partial<AgentConfig['health']>;
  /** Default is this machine's. */
  readonly clock?: Clock;
  /** Default is this machine's calendar. */
  readonly schedule?: typeof startSchedule;
  /** Default is that nobody has started it and wants to hear how it is. */
  readonly serviceManager?: ServiceManager;
  /** Where it dials; default is the issuer that it was enrolled with. */
  readonly url?: string;
  /** How it gets there, at enrolment already; replaces members of the usual settings. */
  readonly service?: Partial<AgentConfig['service']>;
}

/** What an agent can be enrolled at: a scripted service, or a real one. */
export type Enroller = Pick<ScriptedService, 'url' | 'ca' | 'enrollmentToken' | 'sessions'>;

/** The whole agent in this process, enrolled at a scripted service, over a directory of the test's. */
export class StartedAgent implements AsyncDisposable {
  readonly log: MemoryLog;
  readonly stateFolder: string;
  readonly #service: Enroller;
  readonly #options: AgentOptions;
  #drain = new AbortController();
  #abort = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  private constructor(service: Enroller, stateFolder: string, options: AgentOptions) {
    this.#service = service;
    this.stateFolder = stateFolder;
    this.#options = options;
    this.log = new MemoryLog();
  }

  static async enroll(service: Enroller, options: AgentOptions): Promise<StartedAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'passback-agent-'));
    await writeFile(join(folder, 'ca.pem'), service.ca);
    const agent = new StartedAgent(service, join(folder, 'state'), options);
    await enroll(
      {
        url: service.url,
        tokenText: service.enrollmentToken(),
        name: 'test',
        version: '0.1.0',
        stateFolder: agent.stateFolder,
        outbound: await openOutbound(agent.config.service, systemClock),
        clock: systemClock,
      },
      new AbortController().signal,
    );
    return agent;
  }

  get config(): AgentConfig {
    return {
      service: {
        urls: this.#options.url === undefined ? [] : [this.#options.url],
        caFile: join(this.stateFolder, '..', 'ca.pem'),
        systemCa: false,
        noProxy: [],
        ...this.#options.service,
      },
      directory: {
        domain: 'corp.test',
        domainControllers: [{ name: 'dc1.corp.test' }],
        pinnedKeys: [],
        bind: { user: 'nobody', passwordFile: '/nonexistent' },
      },
      guard: this.#options.guard ?? OPEN_GUARD,
      peers: this.#options.peers ?? [],
      stateFolder: this.stateFolder,
      health: { port: 0, host: '127.0.0.1', ...this.#options.health },
      logging: { level: 'info' },
      concurrency: 4,
      drainMs: this.#options.drainMs ?? 5_000,
    };
  }

  /** Starts it; resolves at once. Its end is `stop`'s to hear of. */
  start(): void {
    this.#drain = new AbortController();
    this.#abort = new AbortController();
    const stop = { drain: this.#drain.signal, abort: this.#abort.signal };
    const { directory, log = this.log, disk, schedule, serviceManager } = this.#options;
    const { clock = systemClock } = this.#options;
    this.#ended = runAgent(this.config, stop, {
      log,
      clock,
      random: () => 0,
      openDirectory: () => Promise.resolve(directory),
      ...(disk !== undefined && { disk }),
      ...(schedule !== undefined && { schedule }),
      serviceManager,
    });
    this.#ended.catch(() => undefined); // `stop` hears of it
  }

  /** Drains it; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#drain.abort();
    await this.#ended;
  }

  /** Drops it in the middle of whatever it does. */
  async kill(): Promise<void> {
    this.#abort.abort();
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => undefined);
    await rm(join(this.stateFolder, '..'), { recursive: true, force: true });
  }

  /** Resolves with nothing once a session is ready. */
  get ready(): boolean {
    return this.#service.sessions.length > 0 && this.log.of('link.up').length > 0;
  }
}
