import type { DispatchRecord } from '../../src/cloud/store/records.ts';
import type { CommandHistory } from './history.ts';
import type { ChaosPlan } from './plan.ts';

/** One password that a controller wrote, by its own audit log. */
export interface Write {
  readonly sam: string;
  readonly by: 'service account' | 'rival';
  /** Epoch milliseconds. */
  readonly at: number;
  readonly controller: number;
}

/** What the controllers' audit logs have, and what they lack. */
export interface WriteEvidence {
  readonly writes: readonly Write[];
  /** Of `writes`, those whose commit a kill cut off from the log, and that the database itself proved. */
  readonly provenByDatabase: number;
  /** Cut off by a kill, too, and not to be told from what never was. */
  readonly undecided: readonly Write[];
  /** What is damaged in the logs, with the name of the controller. */
  readonly unreadable: readonly string[];
}

/** How often what was planned to break met something that it could break. */
export interface Inflicted {
  readonly kills: number;
  /** Of `kills`, those of a node of the service. */
  readonly serviceKills: number;
  readonly cuts: number;
  readonly stalls: number;
}

/** What the directory said of one account when all was over. */
export interface AccountEvidence {
  readonly sam: string;
  readonly versionBefore: number;
  readonly versionAfter: number;
  readonly locked: boolean;
  /** Of `candidates(…)`, the one that Kerberos took; -1 for none. */
  readonly logsOnWith: number;
}

export interface AgentEvidence {
  readonly name: string;
  readonly connected: boolean;
  /** As it reported itself; empty when it did not. */
  readonly state: string;
  /** Links of its journal that do not fit the one before. */
  readonly brokenLinks: readonly string[];
  readonly outcomes: number;
}

/** All that is known after a run, gathered before anything is judged. */
export interface Evidence extends WriteEvidence {
  readonly plan: ChaosPlan;
  readonly controllers: readonly string[];
  readonly histories: readonly CommandHistory[];
  readonly inflicted: Inflicted;
  readonly accounts: readonly AccountEvidence[];
  readonly agents: readonly AgentEvidence[];
  /** By operation. */
  readonly dispatches: ReadonlyMap<string, readonly DispatchRecord[]>;
  /** Agents of whose trail the service lacks something. */
  readonly lacking: readonly string[];
  /** What the service raised alarm about. */
  readonly alarms: readonly string[];
  /** Processes that ended or failed by themselves. */
  readonly surprises: readonly string[];
  readonly seconds: number;
}
