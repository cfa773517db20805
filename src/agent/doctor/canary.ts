import { randomBytes } from 'node:crypto';
import { factsOf, type By } from '../../protocol/codes.ts';
import { failed, passed, skipped, warned, type CheckResult } from '../../support/checks.ts';
import { messageOf } from '../../support/errors.ts';
import { Secret } from '../../support/secret.ts';
import type { GuardSettings } from '../commands/guard/guard-settings.ts';
import { allowsOperation, refusalFor } from '../commands/guard/guard.ts';
import {
  DirectoryError,
  type AccountChange,
  type AccountReading,
  type AppliedChange,
  type Directory,
} from '../directory/directory.ts';
import { result } from './check-list.ts';

export interface CanaryOptions {
  /** As it is asked for: principal name or logon name. */
  readonly name: string;
  readonly directory: Directory;
  readonly guard: GuardSettings;
  /** Whether anything but a person's order stands against writing now, in words. */
  readonly stopped: string | undefined;
  /** Asked once, right before the first write. */
  readonly confirm: (question: string) => Promise<boolean>;
}

/**
 * One real reset with unlock of a throw-away account, by the same guard and adapter as any other, to a
 * random password that is shown nowhere and kept nowhere. Never writes without `confirm`.
 */
export async function tryCanary(
  options: CanaryOptions,
  signal: AbortSignal,
): Promise<readonly CheckResult[]> {
  const { name, directory, guard } = options;
  const skippedWrite = (why: string): CheckResult => result('canary.write', skipped(why));
  const local = { account: [name] };
  let account: AccountReading;
  try {
    account = await directory.read({ name }, signal);
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const finding = failed(messageOf(error), factsOf(error.code).action, { local });
    return [result('canary.account', finding), skippedWrite('the account could not be read')];
  }
  const refusal = refused(account, guard);
  if (refusal !== undefined) {
    const { meaning, action } = factsOf(refusal);
    const finding = failed(`the guard refuses it (${refusal}): ${meaning}`, action, { local });
    return [result('canary.account', finding), skippedWrite('the guard refuses it')];
  }
  const good = result('canary.account', {
    ...passed('the guard lets it be reset and unlocked'),
    local,
  });
  if (options.stopped !== undefined) return [good, skippedWrite(options.stopped)];
  const question = `Reset and unlock ${account.samAccountName} (${account.distinguishedName}) now? Its password will be a random one that nobody knows.`;
  if (!(await options.confirm(question))) return [good, skippedWrite('it was not confirmed')];
  return [good, await writeOnce(account, options, signal)];
}

/** As for whoever may reset anybody at all here: the account decides, not who asks. */
function refused(account: AccountReading, guard: GuardSettings): ReturnType<typeof refusalFor> {
  const callers: readonly By[] = ['self', 'admin'];
  const by = callers.find((caller) => allowsOperation({ op: 'reset', by: caller }, guard));
  if (by === undefined) return 'OPERATION_NOT_ALLOWED';
  return refusalFor(account, { op: 'reset', by }, guard);
}

async function writeOnce(
  before: AccountReading,
  { directory, guard }: CanaryOptions,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { objectGuid, controller } = before;
  const reset: AccountChange = {
    op: 'reset',
    password: randomPassword(),
    unlock: true,
    mustChange: false,
    policyHints: guard.policyHints.self,
  };
  const started = performance.now();
  try {
    const applied = await directory.apply({ objectGuid, controller }, reset, signal);
    const tookMs = Math.round(performance.now() - started);
    const after = await directory.read({ objectGuid }, signal, { only: controller });
    return result('canary.write', judge({ before, after, applied, tookMs }));
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    return result('canary.write', failed(messageOf(error), factsOf(error.code).action));
  }
}

interface Written {
  readonly before: AccountReading;
  readonly after: AccountReading;
  readonly applied: AppliedChange;
  readonly tookMs: number;
}

function judge({ before, after, applied, tookMs }: Written): ReturnType<typeof passed> {
  const { controller } = after;
  const moved =
    after.unicodePwd === undefined || before.unicodePwd === undefined
      ? after.pwdLastSet !== before.pwdLastSet
      : after.unicodePwd.version > before.unicodePwd.version;
  if (!moved) {
    return failed(
      `${controller} took the reset, and shows no trace of it`,
      'Look at the account on that controller, and report this.',
    );
  }
  if (after.locked) {
    return failed(
      `${controller} reset it, and it is still locked`,
      'Look at its lockoutTime, and report this.',
    );
  }
  if (after.mustChange) {
    return warned(
      `${controller} reset it in ${tookMs} ms, and it must change its password at the next logon, which nobody asked for`,
      'Give the service account Unexpire Password on the domain: see that check above.',
    );
  }
  const history = applied.historyEnforced ? 'held to the history' : 'not held to the history';
  return passed(
    `${controller} reset and unlocked it in ${tookMs} ms, ${history}; its password is not known to anybody now`,
  );
}

/** Long, of all classes, and of no characters that spell a name by chance more than once in an age. */
function randomPassword(): Secret {
  return new Secret(`Aa1-${randomBytes(24).toString('base64url')}`);
}
