import type { Clock } from '../../support/clock.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { ConnectionError } from './connection-error.ts';
import { DirectoryError } from './directory.ts';
import { examineController, type Examination } from './examine-controller.ts';
import type { Asking } from './queries.ts';
import type { ControllerProfile } from './root-dse.ts';
import { ALWAYS } from './self-test.ts';
import { ServiceAccount, type BindOptions } from './service-account.ts';
import {
  readOwnAccount,
  readPolicyView,
  readProtectedAccounts,
  whyNotInherited,
  type NotInherited,
  type OwnAccount,
  type PolicyView,
} from './survey-queries.ts';
import { trust, type DomainController, type TrustOptions } from './tls-socket.ts';

export interface SurveyOptions extends TrustOptions {
  readonly controllers: readonly DomainController[];
  readonly bind: BindOptions;
  readonly clock: Clock;
}

/** What one controller shows of the accounts that the agent is to work on. */
export interface Scope {
  readonly controller: string;
  readonly domainDn: string;
  readonly own: OwnAccount;
  /** By base DN; undefined where the unit is not there to be seen. */
  readonly protectedAccounts: ReadonlyMap<string, readonly string[] | undefined>;
  readonly policies: PolicyView;
  /** By base DN, where there is such a reason. */
  readonly notInherited: ReadonlyMap<string, NotInherited>;
}

/** Every controller of a domain, looked at one by one, on connections of its own. */
export interface Survey extends AsyncDisposable {
  readonly examinations: readonly Examination[];
  /** Whether one of them could be used for a reset. */
  readonly usable: boolean;
  /** Rejects with a `DirectoryError` when the controller does not answer any more. */
  scope(baseDns: readonly string[]): Promise<Scope>;
}

/** For each step with one controller. */
const STEP_MS = 5_000;

/** Looks at every controller; never rejects but for a bug, and writes nothing. */
export async function openSurvey(
  { controllers, bind, clock, ...trusted }: SurveyOptions,
  signal: AbortSignal,
): Promise<Survey> {
  // One for all: a password that one of them has rejected is shown to no other.
  const account = new ServiceAccount(bind, clock, silentLogger);
  const parts = { account, trust: trust(trusted), ms: STEP_MS, clock };
  const examined = await Promise.all(
    controllers.map((where) => examineController(where, parts, signal)),
  );
  const usable = examined.find(
    ({ examination: { profile } }) => profile?.synchronized === true && !profile.readOnly,
  );
  return {
    examinations: examined.map(({ examination }) => examination),
    usable: usable !== undefined,
    scope: async (baseDns) => {
      const { asking, examination } = usable ?? {};
      if (asking === undefined || examination?.profile === undefined) {
        throw new DirectoryError('DIRECTORY_UNREACHABLE', 'no domain controller can be used');
      }
      return look({ asking, profile: examination.profile, user: bind.user }, baseDns);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { asking } of examined) await asking?.connection.close();
    },
  };
}

interface Looking {
  readonly asking: Asking;
  readonly profile: ControllerProfile;
  readonly user: string;
}

async function look(
  { asking, profile, user }: Looking,
  baseDns: readonly string[],
): Promise<Scope> {
  try {
    const sids = new Set([...ALWAYS, ...profile.ownSids]);
    const protectedAccounts = new Map<string, readonly string[] | undefined>();
    const notInherited = new Map<string, NotInherited>();
    for (const baseDn of baseDns) {
      protectedAccounts.set(baseDn, await readProtectedAccounts(asking, baseDn));
      const why = await whyNotInherited(asking, baseDn, sids);
      if (why !== undefined) notInherited.set(baseDn, why);
    }
    return {
      controller: asking.controller,
      domainDn: profile.domainDn,
      own: await readOwnAccount(asking, user, profile),
      protectedAccounts,
      notInherited,
      policies: await readPolicyView(asking, profile, baseDns),
    };
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    throw new DirectoryError('DIRECTORY_UNREACHABLE', error.message, { cause: error });
  }
}
