import type { Operation } from '../../protocol/codes.ts';
import { bareKeyDigest } from '../../support/key-digest.ts';
import type { GuardSettings } from '../commands/guard/guard-settings.ts';
import type { LogLevel } from '../../support/winston-logger.ts';
import type { PolicyHints } from '../directory/directory.ts';
import type { AgentConfig, DomainController } from './agent-config.ts';
import type { ResolvedProxy } from './proxy-settings.ts';

/** What the formats of the settings have checked, setting by setting. */
interface Checked {
  readonly 'service.url': string | null;
  readonly 'service.urls': readonly string[] | null;
  readonly 'service.caFile': string | null;
  readonly 'service.systemCa': boolean;
  readonly 'directory.domain': string;
  readonly 'directory.domainControllers': readonly DomainController[] | null;
  readonly 'directory.site': string | null;
  readonly 'directory.caFile': string | null;
  readonly 'directory.pinnedKeys': readonly string[];
  readonly 'directory.bind.user': string;
  readonly 'directory.bind.passwordFile': string;
  readonly 'guard.operations.self': readonly Operation[];
  readonly 'guard.operations.admin': readonly Operation[];
  readonly 'guard.policyHints.self': PolicyHints;
  readonly 'guard.policyHints.admin': PolicyHints;
  readonly 'guard.baseDns': readonly string[];
  readonly 'guard.deniedBaseDns': readonly string[];
  readonly 'guard.allowedGroups': readonly string[];
  readonly 'guard.protectedGroups': readonly string[];
  readonly 'guard.protectedAccounts': readonly string[];
  readonly 'guard.allowServicePrincipalNames': boolean;
  readonly 'guard.peers': readonly string[];
  readonly 'guard.limits.perAccount': number;
  readonly 'guard.limits.perActor.self': number;
  readonly 'guard.limits.perActor.admin': number;
  readonly 'guard.limits.overall': number;
  readonly 'guard.limits.wrongPasswords': number;
  readonly 'guard.limits.inspections.self': number;
  readonly 'guard.limits.inspections.admin': number;
  readonly 'guard.breaker.windowMinutes': number;
  readonly 'guard.breaker.perActor': number;
  readonly 'guard.breaker.overall': number;
  readonly 'guard.dryRun': boolean;
  readonly stateFolder: string;
  readonly 'health.port': number;
  readonly 'health.host': string;
  readonly 'health.socket': string | null;
  readonly 'logging.level': LogLevel;
  readonly 'logging.file': string | null;
  readonly concurrency: number;
  readonly drainMs: number;
}

/** The checked settings as the rest of the program reads them, frozen through and through. */
export function toAgentConfig(
  good: ReadonlyMap<string, unknown>,
  { proxy, noProxy }: ResolvedProxy,
): AgentConfig {
  const from = Object.fromEntries(good) as unknown as Checked; // no setting is missing or bad here
  return freeze({
    service: {
      urls: from['service.urls'] ?? (from['service.url'] === null ? [] : [from['service.url']]),
      ...(from['service.caFile'] !== null && { caFile: from['service.caFile'] }),
      systemCa: from['service.systemCa'],
      ...(proxy !== undefined && { proxy }),
      noProxy,
    },
    directory: {
      domain: from['directory.domain'],
      ...(from['directory.domainControllers'] !== null && {
        domainControllers: from['directory.domainControllers'],
      }),
      ...(from['directory.site'] !== null && { site: from['directory.site'] }),
      ...(from['directory.caFile'] !== null && { caFile: from['directory.caFile'] }),
      pinnedKeys: from['directory.pinnedKeys'].map((digest) => bareKeyDigest(digest) ?? digest),
      bind: {
        user: from['directory.bind.user'],
        passwordFile: from['directory.bind.passwordFile'],
      },
    },
    guard: toGuardSettings(from),
    peers: from['guard.peers'],
    stateFolder: from.stateFolder,
    health: {
      port: from['health.port'],
      host: from['health.host'],
      ...(from['health.socket'] !== null && { socket: from['health.socket'] }),
    },
    logging: {
      level: from['logging.level'],
      ...(from['logging.file'] !== null && { file: from['logging.file'] }),
    },
    concurrency: from.concurrency,
    drainMs: from.drainMs,
  });
}

function toGuardSettings(from: Checked): GuardSettings {
  return {
    operations: { self: from['guard.operations.self'], admin: from['guard.operations.admin'] },
    policyHints: {
      self: from['guard.policyHints.self'],
      admin: from['guard.policyHints.admin'],
    },
    baseDns: from['guard.baseDns'],
    deniedBaseDns: from['guard.deniedBaseDns'],
    allowedGroups: from['guard.allowedGroups'],
    protectedGroups: from['guard.protectedGroups'],
    protectedAccounts: from['guard.protectedAccounts'],
    allowServicePrincipalNames: from['guard.allowServicePrincipalNames'],
    limits: {
      perAccount: from['guard.limits.perAccount'],
      perActor: {
        self: from['guard.limits.perActor.self'],
        admin: from['guard.limits.perActor.admin'],
      },
      overall: from['guard.limits.overall'],
      wrongPasswords: from['guard.limits.wrongPasswords'],
      inspections: {
        self: from['guard.limits.inspections.self'],
        admin: from['guard.limits.inspections.admin'],
      },
    },
    breaker: {
      windowMinutes: from['guard.breaker.windowMinutes'],
      perActor: from['guard.breaker.perActor'],
      overall: from['guard.breaker.overall'],
    },
    dryRun: from['guard.dryRun'],
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
