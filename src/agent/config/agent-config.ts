import type { LogLevel } from '../../support/winston-logger.ts';
import type { GuardSettings } from '../commands/guard/guard-settings.ts';
import type { ProxySettings } from './proxy-settings.ts';

/** All that an admin can set, checked, frozen, with every default filled in. */
export interface AgentConfig {
  readonly service: {
    /** In the order they are tried. Empty: the URL learned at enrolment. */
    readonly urls: readonly string[];
    readonly caFile?: string;
    readonly systemCa: boolean;
    readonly proxy?: ProxySettings;
    /** Exceptions from the proxy. */
    readonly noProxy: readonly string[];
  };
  readonly directory: {
    readonly domain: string;
    /** In the order they are tried. Absent: those that DNS knows. */
    readonly domainControllers?: readonly DomainController[];
    /** Of this machine; where DNS is asked, its controllers come first. */
    readonly site?: string;
    readonly caFile?: string;
    /** Digests as `keyDigest` makes them. Empty: no key is pinned. */
    readonly pinnedKeys: readonly string[];
    readonly bind: { readonly user: string; readonly passwordFile: string };
  };
  readonly guard: GuardSettings;
  /** `guard.peers`: device-key fingerprints of the directory's other agents. */
  readonly peers: readonly string[];
  readonly stateFolder: string;
  readonly health: {
    /** 0: none. */
    readonly port: number;
    readonly host: string;
    /** Absent: the usual one of the state folder. */
    readonly socket?: string;
  };
  readonly logging: { readonly level: LogLevel; readonly file?: string };
  readonly concurrency: number;
  readonly drainMs: number;
}

export interface DomainController {
  /** What its certificate has to say. */
  readonly name: string;
  /** Where TCP goes; absent: `name`, by DNS. */
  readonly address?: string;
  /** Absent: 636. */
  readonly port?: number;
}
