import { timestamp } from '../../protocol/shapes.ts';
import {
  failed,
  passed,
  skipped,
  warned,
  type CheckResult,
  type Finding,
} from '../../support/checks.ts';
import { KEY_DIGEST_COMMAND } from '../../support/key-digest.ts';
import type { PolicyHints } from '../directory/directory.ts';
import type { Examination } from '../directory/examine-controller.ts';
import { whoseKey } from '../directory/pinned-keys.ts';
import { ClockSkew } from '../health/clock-skew.ts';
import { result, type CheckId } from './check-list.ts';

const DAY_MS = 86_400_000;
const RENEW_MS = 30 * DAY_MS;

export interface Judging {
  readonly now: number;
  /** What the configuration demands of a reset, by whoever asks for it. */
  readonly policyHints: readonly PolicyHints[];
}

/** What each step with each controller has shown, in the order of the steps. */
export function controllerResults(
  examinations: readonly Examination[],
  judging: Judging,
): readonly CheckResult[] {
  const anyGood = examinations.some(
    ({ profile }) => profile?.synchronized === true && !profile.readOnly,
  );
  return [
    ...STEPS.flatMap(({ id, look }) =>
      examinations.map((one) => {
        const finding = look(one, judging);
        // While another one works nothing is lost but the second string.
        const softened =
          finding.standing === 'fail' && anyGood
            ? { ...finding, standing: 'warn' as const }
            : finding;
        return result(id, softened, one.name);
      }),
    ),
    ...hintResults(examinations, judging),
  ];
}

interface Step {
  readonly id: CheckId;
  readonly look: (examination: Examination, judging: Judging) => Finding;
}

const STEPS: readonly Step[] = [
  { id: 'directory.connect', look: connectFinding },
  { id: 'directory.tls', look: tlsFinding },
  { id: 'directory.bind', look: bindFinding },
  { id: 'directory.role', look: roleFinding },
  { id: 'directory.clock', look: clockFinding },
];

function connectFinding({ failedAt, problem = '', where, tookMs }: Examination): Finding {
  return failedAt === 'connect'
    ? failed(
        problem,
        'Let this machine out to that host and port (LDAPS, usually 636), see that the controller runs and that DNS here knows its name; else correct directory.domainControllers.',
      )
    : passed(`${where} answers (${tookMs} ms for all steps)`);
}

function tlsFinding(examination: Examination, { now }: Judging): Finding {
  const { failedAt, problem = '', why, where, certificateExpiresAt: end, pinned } = examination;
  if (failedAt === 'connect') return skipped('it was not reached');
  if (failedAt === 'tls') {
    return failed(problem, tlsCure(why, examination.name), { commands: tlsCommands(why, where) });
  }
  const isPinned = pinned === undefined ? '' : `; ${whoseKey(pinned)} is pinned`;
  if (end === undefined) return passed(`certificate and name are good${isPinned}`);
  const date = timestamp(end).slice(0, 10);
  return end - now < RENEW_MS
    ? warned(`its certificate ends on ${date}${isPinned}`, renewal(pinned))
    : passed(`certificate and name are good, until ${date}${isPinned}`);
}

function renewal(pinned: Examination['pinned']): string {
  const isOwnKey = pinned !== undefined && pinned.ca === undefined;
  return isOwnKey
    ? 'Renew it on the domain controller; as its own key is pinned, keep that one, or first add the digest of the new one to directory.pinnedKeys.'
    : 'Renew it on the domain controller.';
}

function tlsCure(why: Examination['why'], name: string): string {
  if (why === 'untrusted') {
    return 'Get the certificate of that CA from whoever runs it (certutil -ca.cert on the CA; Samba: private/tls/ca.pem), compare the fingerprint, and put it (PEM) into the file of directory.caFile. To see what is shown:';
  }
  if (why === 'other-name') {
    return 'Give directory.domainControllers the name in the certificate, and address where that name does not lead here. To see it:';
  }
  if (why === 'expired') {
    return `Have the CA issue ${name} a new one, put it in the place of the old one there (Windows: certlm.msc, Personal; Samba: the files of tls certfile and tls keyfile, then restart it), and run this again. To see what is shown:`;
  }
  if (why === 'ca-expired') {
    return `Renew that CA's certificate, have it issue ${name} a new one, and put the CA's new certificate (PEM) into the file of directory.caFile. To see what is shown:`;
  }
  if (why === 'too-early') {
    return `Set the clock that is wrong, here or at ${name}; a certificate from tomorrow has to be issued anew. To see what is shown:`;
  }
  if (why === 'not-pinned') {
    return `Ask whoever runs ${name} and its CA, by another way than this connection, whether one of these digests is of a key of theirs; if none is, leave it refused and find out what stands in between. One that is, add to directory.pinnedKeys beside those there, which may go once every controller has changed; that of the CA outlives a renewal. Then restart the agent. To see the digest of a certificate that they hand you:`;
  }
  return 'Correct what it says: directory.domainControllers has to name the port that speaks LDAPS. To see what is shown:';
}

function tlsCommands(why: Examination['why'], where: string): NonNullable<Finding['commands']> {
  if (why === 'not-pinned') return [{ where: 'here', lines: [KEY_DIGEST_COMMAND] }];
  const shown = `openssl s_client -connect ${where} -showcerts </dev/null | openssl x509 -noout -text`;
  return [{ where: 'here', lines: [shown] }];
}

function bindFinding({ failedAt, problem = '', why }: Examination): Finding {
  if (failedAt === 'connect' || failedAt === 'tls') return skipped('there is no connection');
  if (failedAt !== 'bind') return passed('the service account is accepted');
  // Held back so that it does not lock itself out: the controller that rejected it says why.
  if (why === 'held') {
    return skipped('the password was rejected by another controller, and is not shown to this one');
  }
  return failed(
    problem,
    'Correct directory.bind.user, or write the password to the file of directory.bind.passwordFile: one line, nothing else.',
  );
}

function roleFinding({ failedAt, problem = '', profile }: Examination): Finding {
  if (profile === undefined) {
    return failedAt === 'ask'
      ? failed(
          problem,
          'See that it is a domain controller and that the service account may read its rootDSE.',
        )
      : skipped('it could not be asked');
  }
  if (profile.readOnly) {
    return failed(
      'it is a read-only domain controller, which takes no reset',
      'List writable controllers in directory.domainControllers, or set directory.site to a site that has one.',
    );
  }
  return profile.synchronized
    ? passed('writable and replicated')
    : failed('it has not finished its first replication', 'Wait for it, or look at its event log.');
}

function clockFinding({ name, clockOffsetMs }: Examination, { now }: Judging): Finding {
  if (clockOffsetMs === undefined) return skipped('it could not be asked');
  const skew = new ClockSkew();
  skew.take({ here: now, there: now + clockOffsetMs });
  const words = skew.inWords(name);
  return words === undefined
    ? passed(`${(Math.abs(clockOffsetMs) / 1000).toFixed(0)} s apart`)
    : warned(words, 'Set the one that is wrong, and let both follow the same time (NTP).');
}

function hintResults(
  examinations: readonly Examination[],
  { policyHints }: Judging,
): readonly CheckResult[] {
  const asked = examinations.filter(({ profile }) => profile !== undefined);
  const knowing = asked.filter(({ profile }) => profile?.policyHints !== undefined).length;
  const isMixed = knowing > 0 && knowing < asked.length;
  return examinations.map(({ name, profile }) => {
    const about = (finding: Finding): CheckResult => result('directory.hints', finding, name);
    if (profile === undefined) return about(skipped('it could not be asked'));
    if (profile.policyHints !== undefined) {
      return about(passed(`it can hold resets to the password history (${profile.policyHints})`));
    }
    if (policyHints.includes('require')) {
      return about(
        failed(
          'it cannot hold a reset to the password history, which guard.policyHints requires',
          'Set guard.policyHints to prefer or off, or keep to controllers with Windows Server 2016 or newer.',
        ),
      );
    }
    const found = 'it does not know policy hints: a reset there may repeat an old password';
    return about(
      isMixed && policyHints.includes('prefer')
        ? warned(
            `${found}, while other controllers refuse it`,
            'Update it to Windows Server 2016 or newer, or set guard.policyHints to off.',
          )
        : passed(found),
    );
  });
}
