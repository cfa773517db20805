import type { Native, Pointer } from '../../support/windows/native.ts';
import { ERROR } from '../../support/windows/windows-error.ts';
import type { Manager } from './service-manager-functions.ts';

/** Longer than a drain (`drainMs`, 25 s) and what ends after it; Windows itself gives 10 s. */
const PRESHUTDOWN_MS = 60_000;

/** After a crash and after every end with another code than 0: soon, later, then once a minute. */
const RESTARTS_MS = [5_000, 30_000, 60_000];
const FORGET_FAILURES_S = 24 * 3_600;
const RESTART = 1;

/**
 * All that the process needs: to pass through folders, and nothing an intruder could use. Everything
 * else is taken out of its token.
 */
const PRIVILEGES = 'SeChangeNotifyPrivilege\0';

/** SERVICE_SID_TYPE_UNRESTRICTED: `NT SERVICE\passback` can be put into access lists whoever it runs as. */
const SID_UNRESTRICTED = 1;

interface Setting {
  readonly what: string;
  /** SERVICE_CONFIG_… of winsvc.h. */
  readonly level: number;
  readonly struct: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Sets what CreateServiceW does not take. Answers what this Windows does not know, in words. Throws
 * `WindowsError` when it refuses one that it knows.
 */
export function configureService(
  native: Native,
  { ChangeServiceConfig2W }: Manager,
  target: { readonly service: Pointer; readonly definition: { readonly description: string } },
): readonly string[] {
  defineStructs(native);
  return settingsOf(target.definition.description).flatMap(({ what, level, struct, value }) => {
    const info = native.koffi.as(value, `${struct} *`);
    if (ChangeServiceConfig2W(target.service, level, info) !== 0) return [];
    const error = native.failure(`${what} of the service cannot be set`);
    if (error.number !== ERROR.invalidLevel) throw error;
    return [`${what} cannot be set on this Windows`];
  });
}

function settingsOf(description: string): readonly Setting[] {
  const one = (what: string, level: number, struct: string, value: Setting['value']): Setting => ({
    what,
    level,
    struct,
    value,
  });
  return [
    one('the description', 1, 'SERVICE_DESCRIPTIONW', { lpDescription: description }),
    one('what follows a failure', 2, 'SERVICE_FAILURE_ACTIONSW', {
      dwResetPeriod: FORGET_FAILURES_S,
      lpRebootMsg: null,
      lpCommand: null,
      cActions: RESTARTS_MS.length,
      lpsaActions: RESTARTS_MS.map((Delay) => ({ Type: RESTART, Delay })),
    }),
    one('the delayed start', 3, 'PASSBACK_NUMBER', { value: 1 }),
    one('the restart after an error', 4, 'PASSBACK_NUMBER', { value: 1 }),
    one('the SID', 5, 'PASSBACK_NUMBER', { value: SID_UNRESTRICTED }),
    one('the list of privileges', 6, 'SERVICE_REQUIRED_PRIVILEGES_INFOW', {
      pmszRequiredPrivileges: PRIVILEGES,
    }),
    one('the time to stop before a shutdown', 7, 'PASSBACK_NUMBER', { value: PRESHUTDOWN_MS }),
  ];
}

function defineStructs(native: Native): void {
  native.struct('SERVICE_DESCRIPTIONW', { lpDescription: 'str16' });
  native.struct('SC_ACTION', { Type: 'uint32', Delay: 'uint32' });
  native.struct('SERVICE_FAILURE_ACTIONSW', {
    dwResetPeriod: 'uint32',
    lpRebootMsg: 'str16',
    lpCommand: 'str16',
    cActions: 'uint32',
    lpsaActions: 'SC_ACTION *',
  });
  native.struct('SERVICE_REQUIRED_PRIVILEGES_INFOW', { pmszRequiredPrivileges: 'str16' });
  // SERVICE_DELAYED_AUTO_START_INFO and its like are one number of 32 bits.
  native.struct('PASSBACK_NUMBER', { value: 'uint32' });
}
