import {
  checkResult,
  titlesOf,
  type CheckResult,
  type Checks,
  type Finding,
} from '../../support/checks.ts';

/** Every check there is, in the order in which they are made. */
export const CHECKS = {
  'machine.runtime': {
    title: 'Node.js',
    doc: 'Version (FAIL below 20.20, WARN past its end of life), and variables that would print secrets or switch TLS verification off (FAIL).',
  },
  'config.settings': {
    title: 'Configuration',
    doc: 'Everything that `passback config check` says; FAIL for each problem, and all that follows is SKIP.',
  },
  'files.private': {
    title: 'Private files',
    doc: 'Modes of the configuration, CA files and keys: FAIL where other accounts can read a key or change what counts and, asked by root, where the account of the agent may not read what it needs (its password, which systemd may hand over, is not asked about). Password files that others can read are FAIL above.',
  },
  'state.folder': {
    title: 'State folder',
    doc: 'There, private, owned by this account (root asks for the account that owns it), writable and with room; nothing is written to find that out.',
  },
  'state.enrolment': {
    title: 'Enrolment',
    doc: 'The version of the state folder is known, identity, keys and pinned root are whole, the key set is valid for 30 days more; WARN before enrolment, FAIL for one that was begun and is not finished.',
  },
  'state.journal': {
    title: 'Journal',
    doc: 'Read whole: damage that no crash explains is FAIL, because the agent does not start on it.',
  },
  'state.agent': {
    title: 'Running agent',
    doc: 'Which process works in the state folder, whether it answers at its socket and has a session; FAIL for two of them.',
  },
  'state.port': {
    title: 'Port for probes',
    doc: '`health.port` can be opened, where no agent runs yet; WARN when not, because everything else works without.',
  },
  'state.orders': {
    title: 'Orders',
    doc: 'Local pause, open breaker and dry run: WARN, because nothing is written meanwhile.',
  },
  'service.address': {
    title: 'Reset service',
    doc: 'Which address is dialled: `service.url`, the one learned at enrolment, or `--url`.',
  },
  'service.connect': {
    title: 'Way to the reset service',
    doc: 'DNS, proxy (its 407 included), TCP, TLS and the name in the certificate; a missing CA is named with its fingerprint.',
  },
  'service.certificate': {
    title: 'Certificate of the reset service',
    doc: 'WARN 14 days before it ends, and where something on the way opens TLS.',
  },
  'service.answer': {
    title: 'Passback at that address',
    doc: 'Whether a Passback service answers there, and whether WebSockets get through. The service logs one `cloud.link_refused` for it.',
  },
  'service.clock': {
    title: 'Clock against the reset service',
    doc: 'FAIL from 30 s on: commands are refused then.',
  },
  'directory.discovery': {
    title: 'Domain controllers',
    doc: 'Those that the configuration lists, or DNS SRV names.',
  },
  'directory.connect': {
    title: 'TCP',
    doc: 'For each domain controller: name, address, port. FAIL when none can be reached, else WARN.',
  },
  'directory.tls': {
    title: 'TLS',
    doc: 'Certificate chain, name and end, and `directory.pinnedKeys`; a missing CA is named with its fingerprint, and where no key is pinned, those that could be. WARN 30 days before the end.',
  },
  'directory.bind': {
    title: 'Bind',
    doc: 'Whether the service account is accepted. A password that one controller rejects is shown to no other.',
  },
  'directory.role': {
    title: 'Role',
    doc: 'Writable and done with its first replication; a read-only controller takes no reset.',
  },
  'directory.clock': {
    title: 'Clock',
    doc: 'WARN from 30 s on: what happened when cannot be told then, and beyond the allowance writes are refused.',
  },
  'directory.hints': {
    title: 'Policy hints',
    doc: 'Whether each controller can hold a reset to the password history; FAIL where `guard.policyHints` requires it.',
  },
  'directory.password': {
    title: "Service account's password",
    doc: 'WARN 30 days before it expires, FAIL when it has.',
  },
  'directory.rights': {
    title: 'Rights',
    doc: 'Reset Password, write lockoutTime, write pwdLastSet on a sample account of each unit, with the commands that delegate them.',
  },
  'directory.unexpire': {
    title: 'Unexpire Password',
    doc: 'WARN when it was taken from everybody: a reset then forces a change at the next logon.',
  },
  'directory.policies': {
    title: 'Fine-grained policies',
    doc: 'WARN where values are hidden from the service account: refusals cannot name the rule then.',
  },
  'directory.accounts': {
    title: 'Protected accounts',
    doc: 'How many accounts in scope are refused because AdminSDHolder protects them.',
  },
  'canary.account': {
    title: 'Canary',
    doc: 'Only with `--canary`: whether the guard lets it be reset and unlocked.',
  },
  'canary.write': {
    title: 'Reset of the canary',
    doc: 'Only with `--canary`: one real reset with unlock to a random password that nobody sees, and its trace in the directory.',
  },
} as const satisfies Checks;

export type CheckId = keyof typeof CHECKS;

export const CHECK_TITLES = titlesOf(CHECKS);

export const result: (id: CheckId, finding: Finding, about?: string) => CheckResult = checkResult;
