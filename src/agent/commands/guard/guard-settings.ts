import type { By, Operation } from '../../../protocol/codes.ts';
import type { PolicyHints } from '../../directory/directory.ts';

/** The admin's last word, from the agent's own configuration; nothing the service says widens it. */
export interface GuardSettings {
  readonly operations: Readonly<Record<By, readonly Operation[]>>;
  /** Whether a reset has to pass the password history, too. */
  readonly policyHints: Readonly<Record<By, PolicyHints>>;
  /** Only accounts below one of these. Empty: no account at all. */
  readonly baseDns: readonly string[];
  /** Accounts below one of these are out of scope even inside `baseDns`. */
  readonly deniedBaseDns: readonly string[];
  /** Only members of one of these groups (SIDs), nested or not. Empty: membership does not matter. */
  readonly allowedGroups: readonly string[];
  /** Members of these groups (SIDs), nested or not, are protected on top of the built-in ones. */
  readonly protectedGroups: readonly string[];
  /** Single accounts (SIDs) that are protected. */
  readonly protectedAccounts: readonly string[];
  /** Whether accounts with a servicePrincipalName (services that log on) may be touched. */
  readonly allowServicePrincipalNames: boolean;
  readonly limits: LimitSettings;
  readonly breaker: BreakerSettings;
  /** Everything but the write. */
  readonly dryRun: boolean;
}

/** How much is done in any hour; what comes on top is refused until there is room again. */
export interface LimitSettings {
  readonly perAccount: number;
  readonly perActor: Readonly<Record<By, number>>;
  readonly overall: number;
  /** Wrong old passwords of a `change` per account, where the lockout threshold leaves as many. */
  readonly wrongPasswords: number;
  /** Questions about accounts, per actor. */
  readonly inspections: Readonly<Record<By, number>>;
}

/** What no ordinary hour looks like: it stops the agent until a person has looked. */
export interface BreakerSettings {
  readonly windowMinutes: number;
  /** Operations that one actor may have in the window, however they end; one more stops this actor. */
  readonly perActor: number;
  /** Successful writes in the window that stop everything. */
  readonly overall: number;
}
