import { join } from 'node:path';
import type { FormatName } from './formats.ts';

/** What has to be in a file. */
export type FileKind = 'certificates' | 'secret' | 'credentials';

/** One setting, as the schema, the reference table and the checks all read it. */
export interface Setting {
  readonly key: string;
  readonly doc: string;
  readonly format: FormatName;
  readonly default?: string | number | boolean | readonly string[];
  /** There is no default and no doing without. */
  readonly required?: true;
  /** Names a file that has to be there and to be readable. */
  readonly file?: FileKind;
}

/** Every setting there is, in the order people read about them. */
export const SETTINGS: readonly Setting[] = [
  {
    key: 'service.url',
    doc: 'Public URL of the reset service. Normally learned at enrolment; set it only where this machine has to use another address.',
    format: 'url',
  },
  {
    key: 'service.urls',
    doc: 'Several addresses of one reset service instead of `service.url`, in the order they are tried. When one fails the next is tried at once; breaks come between whole rounds, and a round begins with the one that worked last. In the environment they are parted by semicolons.',
    format: 'urls',
  },
  {
    key: 'service.caFile',
    doc: 'PEM file of the CA that signed the certificate of the reset service, or of what inspects TLS on the way there, trusted on top of the well-known ones.',
    format: 'path',
    file: 'certificates',
  },
  {
    key: 'service.systemCa',
    doc: 'Whether CAs in the store of the operating system are trusted as well, which is where a company has its own: on Linux the bundle of the distribution, with Node.js 22.15 or newer also the stores of Windows and macOS (with Node.js 20 these two are not read: use `service.caFile`). With this or `service.caFile`, NODE_EXTRA_CA_CERTS is not read.',
    format: 'flag',
    default: true,
  },
  {
    key: 'service.proxy.url',
    doc: 'HTTP proxy on the way to the reset service: `http://` or `https://` (how the proxy itself is reached) with host and port. It is asked for a tunnel (CONNECT) and reads nothing. Without it HTTPS_PROXY counts, with the exceptions in NO_PROXY; never put a password into either.',
    format: 'proxyUrl',
  },
  {
    key: 'service.proxy.credentialsFile',
    doc: 'File that holds `user:password` for the proxy on one line and nothing else, readable by the account of the agent only. It is read for each new connection and sent as Basic, which an `http://` proxy receives in the clear: use an account that can do nothing else.',
    format: 'path',
    file: 'credentials',
  },
  {
    key: 'service.proxy.caFile',
    doc: 'PEM file of the CA that signed the certificate of an `https://` proxy, trusted on top of the well-known ones.',
    format: 'path',
    file: 'certificates',
  },
  {
    key: 'service.noProxy',
    doc: 'Hosts that are reached without the proxy: `example.com` (and all below it), `.example.com` (only below it), an address, a network such as `10.0.0.0/8` (for addresses in URLs; names are not resolved), each but a network also with `:port`; `*` is everything, HTTPS_PROXY included. In the environment they are parted by commas or semicolons.',
    format: 'hosts',
    default: [],
  },
  {
    key: 'directory.domain',
    doc: 'DNS name of the Active Directory domain.',
    format: 'domain',
    required: true,
  },
  {
    key: 'directory.domainControllers',
    doc: 'Domain controllers in the order they are tried. Leave it out to find them by DNS (`_ldap._tcp.dc._msdcs` below the domain). `name` is what the certificate says, `address` (default: the name) where the connection goes, `port` is 636 unless something is in between. In the environment: `dc1.corp.example.com;dc2.corp.example.com@10.0.0.2:636`.',
    format: 'controllers',
  },
  {
    key: 'directory.site',
    doc: 'Active Directory site of this machine: where controllers are found by DNS, those of the site come first.',
    format: 'site',
  },
  {
    key: 'directory.caFile',
    doc: "PEM file of the CA that signed the certificates of the domain controllers, believed *instead of* the well-known ones and the store of the operating system (`service.caFile` adds to them): nobody else's certificate opens the way to passwords. It may hold several.",
    format: 'path',
    file: 'certificates',
  },
  {
    key: 'directory.pinnedKeys',
    doc: 'Public keys, one of which has to be in the chain of every domain controller: its own, or that of a CA above it. It is asked for on top of a good certificate and name, never instead, and before the service account logs on; empty: no key is pinned. Several let controllers or a CA change over. `sha256//`, as curl writes it, may stand before each. In the environment they are parted by semicolons.',
    format: 'keyDigests',
    default: [],
  },
  {
    key: 'directory.bind.user',
    doc: 'Service account with Reset Password, write lockoutTime and write pwdLastSet on the base DNs and nothing else: user principal name, or distinguished name.',
    format: 'text',
    required: true,
  },
  {
    key: 'directory.bind.passwordFile',
    doc: 'File that holds the password of the service account and nothing else. A password is never taken from a setting, the environment or a command line.',
    format: 'path',
    required: true,
    file: 'secret',
  },
  {
    key: 'guard.operations.self',
    doc: 'What people may do to their own account: reset, change, unlock. Each wrong old password of a `change` counts towards lockout.',
    format: 'operations',
    default: ['reset', 'unlock'],
  },
  {
    key: 'guard.operations.admin',
    doc: 'What administrators and the help desk may do to an account of somebody else: reset, change, unlock.',
    format: 'operations',
    default: ['reset', 'unlock'],
  },
  {
    key: 'guard.policyHints.self',
    doc: 'Whether a person who resets their own password is held to the password history: `require` (a domain controller that cannot is a configuration error, and nothing is written), `prefer` (where the controller can; Windows Server 2016 and newer), `off`. The outcome says whether it was.',
    format: 'policyHints',
    default: 'prefer',
  },
  {
    key: 'guard.policyHints.admin',
    doc: 'The same for resets by administrators and the help desk.',
    format: 'policyHints',
    default: 'off',
  },
  {
    key: 'guard.baseDns',
    doc: 'Only accounts below one of these organisational units are touched. There has to be at least one: to touch nothing there is `passback pause`. In the environment several are parted by semicolons.',
    format: 'names',
    required: true,
  },
  {
    key: 'guard.deniedBaseDns',
    doc: 'Accounts below one of these are not touched even inside `guard.baseDns`.',
    format: 'names',
    default: [],
  },
  {
    key: 'guard.allowedGroups',
    doc: 'SIDs of groups: only their members, nested or not, are touched. Without one, membership does not matter.',
    format: 'sids',
    default: [],
  },
  {
    key: 'guard.protectedGroups',
    doc: 'SIDs of groups whose members, nested or not, are not touched, on top of the built-in privileged groups.',
    format: 'sids',
    default: [],
  },
  {
    key: 'guard.protectedAccounts',
    doc: 'SIDs of single accounts that are not touched.',
    format: 'sids',
    default: [],
  },
  {
    key: 'guard.allowServicePrincipalNames',
    doc: 'Whether accounts with a servicePrincipalName (services that log on) may be touched.',
    format: 'flag',
    default: false,
  },
  {
    key: 'guard.peers',
    doc: 'Fingerprints of the other agents of the directory, as `passback enroll` printed them. With them a command whose password was sealed to anybody else, too, is refused with an alarm; empty: not checked.',
    format: 'fingerprints',
    default: [],
  },
  {
    key: 'guard.limits.perAccount',
    doc: 'Operations on one account in any hour, those that the directory refuses included: each password that is tried counts.',
    format: 'perHour',
    default: 10,
  },
  {
    key: 'guard.limits.perActor.self',
    doc: 'Operations of one person on their own account in any hour.',
    format: 'perHour',
    default: 10,
  },
  {
    key: 'guard.limits.perActor.admin',
    doc: 'Operations of one administrator or API key in any hour. The default gives each of twenty people who share the key of a help desk ten.',
    format: 'perHour',
    default: 200,
  },
  {
    key: 'guard.limits.overall',
    doc: 'Operations of everybody together in any hour.',
    format: 'perHour',
    default: 1_000,
  },
  {
    key: 'guard.limits.wrongPasswords',
    doc: 'Wrong old passwords of a `change` for one account in any hour, because each counts towards lockout. Always kept below the lockout threshold of the account, and at 2 where that cannot be read.',
    format: 'perHour',
    default: 3,
  },
  {
    key: 'guard.limits.inspections.self',
    doc: 'Questions about accounts by one person in any hour since the agent started.',
    format: 'perHour',
    default: 30,
  },
  {
    key: 'guard.limits.inspections.admin',
    doc: 'Questions about accounts by one administrator or API key in any hour since the agent started. An operation begins with one question.',
    format: 'perHour',
    default: 600,
  },
  {
    key: 'guard.breaker.windowMinutes',
    doc: 'How far back the breaker looks. What it has stopped stays stopped until somebody runs `passback resume --breaker`.',
    format: 'minutes',
    default: 10,
  },
  {
    key: 'guard.breaker.perActor',
    doc: 'Operations that one actor may have within the window, however they end; one more stops this actor.',
    format: 'perHour',
    default: 100,
  },
  {
    key: 'guard.breaker.overall',
    doc: 'Successful writes within the window that stop everything.',
    format: 'perHour',
    default: 300,
  },
  {
    key: 'guard.dryRun',
    doc: 'Do everything but the write: each operation that would have been carried out is refused as DRY_RUN.',
    format: 'flag',
    default: false,
  },
  {
    key: 'stateFolder',
    doc: 'Folder for keys, identity and journal, entered by nobody but the account of the agent (mode 0700).',
    format: 'path',
  },
  {
    key: 'health.port',
    doc: 'Loopback port for `GET /livez`, `/readyz`, `/metrics` (Prometheus) and `/status.json`: read-only, without secrets or personal data, for whoever monitors this machine. 9464 is where exporters of OpenTelemetry expect to be scraped; 0: none. `passback status` needs no port.',
    format: 'portOrNone',
    default: 9464,
  },
  {
    key: 'health.host',
    doc: 'Where that port is opened: an address of this machine itself, 127.0.0.1 or ::1. There is no way to open it to the network; a local proxy with its own access rules can.',
    format: 'loopback',
    default: '127.0.0.1',
  },
  {
    key: 'health.socket',
    doc: 'Where `passback status`, `pause` and `resume` reach the running agent: a Unix socket (mode 0660, group `passback` where there is one) or a named pipe. Default: `control.sock` in the state folder, which only the account of the agent and root can enter; name one in a folder of its own, such as /run/passback/control.sock, to let the group in. On Windows `\\\\.\\pipe\\passback`.',
    format: 'path',
  },
  {
    key: 'logging.level',
    doc: 'Least level that is logged: error (a human must act), warn, info (one line per command), debug.',
    format: 'level',
    default: 'info',
  },
  {
    key: 'logging.file',
    doc: 'File that log lines (JSON) are appended to. Without it they go to standard output, for the journal of the operating system.',
    format: 'path',
  },
  {
    key: 'concurrency',
    doc: 'Commands that are worked on at the same time; per account there is always one.',
    format: 'count',
    default: 16,
  },
  {
    key: 'drainMs',
    doc: 'How long commands in flight may take to finish once the agent is told to stop. On Windows there are limits that do not grow with it, and take in what ends after the drain: a restart of the machine waits 60 s for the service, the MSI 30 s, `install.ps1` and `passback service uninstall` 90 s.',
    format: 'milliseconds',
    default: 25_000,
  },
];

/** The environment variable of a setting: `guard.baseDns` is PASSBACK_GUARD_BASE_DNS. */
export function environmentName(key: string): string {
  return `PASSBACK_${key
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

/** What belongs to Passback on Windows: configuration, secrets, and below it the state. */
export function windowsFolder(env: Readonly<Partial<Record<string, string>>>): string {
  return join(env.ProgramData ?? 'C:\\ProgramData', 'Passback');
}

/** What a service of Windows runs with unless another is named when it is made. */
export function defaultConfig(env: Readonly<Partial<Record<string, string>>>): string {
  return join(windowsFolder(env), 'passback.yaml');
}

/** Where state lives unless `stateFolder` says otherwise. */
export function defaultStateFolder(env: Readonly<Partial<Record<string, string>>>): string {
  if (process.platform !== 'win32') return '/var/lib/passback';
  return join(windowsFolder(env), 'State');
}
