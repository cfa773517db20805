import type { Operation } from '../../protocol/codes.ts';
import type { LogLevel } from '../../support/winston-logger.ts';
import type { PolicyHints } from '../directory/directory.ts';
import type { AgentConfig, DomainController } from './agent-config.ts';

/** What the formats of the settings have checked, setting by setting. */
interface Checked {
  readonly 'service.url': string | null;
  readonly 'service.caFile': string | null;
  readonly 'directory.domain': string;
  readonly 'directory.domainControllers': readonly DomainController[];
  readonly 'directory.caFile': string | null;
  readonly 'directory.bind.user': string;
  readonly 'directory.bind.passwordFile': string;
  readonly 'guard.operations.self': readonly Operation[];
  readonly 'guard.operations.admin': readonly Operation[];
  readonly 'guard.policyHints.self': PolicyHints;
  readonly 'guard.policyHints.admin': PolicyHints;
  readonly 'guard.baseDns': readonly string[];
  readonly 'guard.deniedBaseDns': readonly string[];
  readonly 'guard.protectedGroups': readonly string[];
  readonly 'guard.allowServicePrincipalNames': boolean;
  readonly stateFolder: string;
  readonly 'logging.level': LogLevel;
  readonly 'logging.file': string | null;
  readonly concurrency: number;
  readonly drainMs: number;
}

/** The checked settings as the rest of the program reads them, frozen through and through. */
export function toAgentConfig(good: ReadonlyMap<string, unknown>): AgentConfig {
  const from = Object.fromEntries(good) as unknown as Checked; // no setting is missing or bad here
  return freeze({
    service: {
      ...(from['service.url'] !== null && { url: from['service.url'] }),
      ...(from['service.caFile'] !== null && { caFile: from['service.caFile'] }),
    },
    directory: {
      domain: from['directory.domain'],
      domainControllers: from['directory.domainControllers'],
      ...(from['directory.caFile'] !== null && { caFile: from['directory.caFile'] }),
      bind: {
        user: from['directory.bind.user'],
        passwordFile: from['directory.bind.passwordFile'],
      },
    },
    guard: {
      operations: { self: from['guard.operations.self'], admin: from['guard.operations.admin'] },
      policyHints: {
        self: from['guard.policyHints.self'],
        admin: from['guard.policyHints.admin'],
      },
      baseDns: from['guard.baseDns'],
      deniedBaseDns: from['guard.deniedBaseDns'],
      protectedGroups: from['guard.protectedGroups'],
      allowServicePrincipalNames: from['guard.allowServicePrincipalNames'],
    },
    stateFolder: from.stateFolder,
    logging: {
      level: from['logging.level'],
      ...(from['logging.file'] !== null && { file: from['logging.file'] }),
    },
    concurrency: from.concurrency,
    drainMs: from.drainMs,
  });
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
