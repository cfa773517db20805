import type { Operation } from '../../protocol/codes.ts';
import type { PolicyHints } from '../directory/directory.ts';

/** The admin's last word, from the agent's own configuration; nothing the service says widens it. */
export interface GuardSettings {
  readonly operations: {
    readonly self: readonly Operation[];
    readonly admin: readonly Operation[];
  };
  /** Whether a reset has to pass the password history, too. */
  readonly policyHints: { readonly self: PolicyHints; readonly admin: PolicyHints };
  /** Only accounts below one of these. Empty: no account at all. */
  readonly baseDns: readonly string[];
  /** Accounts below one of these are out of scope even inside `baseDns`. */
  readonly deniedBaseDns: readonly string[];
  /** Members of these groups (SIDs), nested or not, are protected on top of the built-in ones. */
  readonly protectedGroups: readonly string[];
  /** Whether accounts with a servicePrincipalName (services that log on) may be touched. */
  readonly allowServicePrincipalNames: boolean;
}
