import {
  checkResult,
  titlesOf,
  type CheckResult,
  type Checks,
  type Finding,
} from '../../support/checks.ts';

/** Every check of the service, in the order in which they are made; for the table of all checks, too. */
export const CHECKS = {
  'machine.runtime': {
    title: 'Node.js',
    doc: 'Version (FAIL below 20.20, WARN past its end of life), and variables that would print secrets or switch TLS verification off (FAIL).',
  },
  'config.settings': {
    title: 'Configuration',
    doc: 'Everything that `passback-cloud config check` says; FAIL for each problem, and all that follows is SKIP.',
  },
  'data.folder': {
    title: 'Data folder',
    doc: 'There, private, owned by this account.',
  },
  'keys.files': {
    title: 'Keys',
    doc: 'Of a known version, whole, closed to others, made for this URL; WARN 30 days before the key set ends, FAIL when it has.',
  },
  'keys.root': {
    title: 'Root key',
    doc: 'WARN while its private half is still on this machine: only `keys rotate` needs it.',
  },
  'listen.certificate': {
    title: 'Certificate',
    doc: 'Belongs to its key and to the URL; WARN 30 days before it ends, or when the last quarter of a shorter life begins.',
  },
  'listen.port': {
    title: 'Port',
    doc: 'Can be opened by this account; one that the running service has is a pass.',
  },
  'database.schema': {
    title: 'Database',
    doc: "Can be reached, and its schema is this program's; nothing is migrated.",
  },
} as const satisfies Checks;

export type CheckId = keyof typeof CHECKS;

export const CHECK_TITLES = titlesOf(CHECKS);

export const result: (id: CheckId, finding: Finding, about?: string) => CheckResult = checkResult;
