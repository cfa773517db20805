import type { Account } from './people.ts';

/** One domain controller, as the outside sees it: the certificate has the name, the port is on this machine. */
export interface LabController {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly containerId: string;
  /** Its address on the lab's own network, where it also serves DNS, Kerberos and plain LDAP. */
  readonly internalAddress: string;
}

export interface Credentials {
  readonly dn: string;
  readonly userPrincipalName: string;
  readonly password: string;
}

/** An account of the table with what only the directory knows. */
export interface LabPerson extends Account {
  readonly dn: string;
  /** In lower-case text form. */
  readonly objectGuid: string;
}

/** Everything about a running lab as plain data: it survives the way from one process to another. */
export interface LabDescription {
  readonly domain: string;
  readonly netbios: string;
  readonly realm: string;
  readonly baseDn: string;
  readonly delegatedOu: string;
  readonly controllers: readonly LabController[];
  /** PEM: the CA of every controller, one after the other. */
  readonly ca: string;
  /** The docker network the controllers are on. */
  readonly network: string;
  /** Has the delegation on OU=People and nothing else. */
  readonly serviceAccount: Credentials;
  /** Has no delegation at all. */
  readonly bareAccount: Credentials;
  /** For proofs, never for the agent. */
  readonly administrator: Credentials;
  readonly people: readonly LabPerson[];
}
