import { tryDocker } from './docker.ts';

/**
 * What Kerberos says to a name and a password. `revoked` is locked, disabled or expired: the directory
 * does not tell these apart, whatever the password was. `must-change` needed the right password.
 */
export type KerberosAnswer =
  'ok' | 'wrong-password' | 'must-change' | 'revoked' | 'smartcard-required' | 'unknown-account';

const MESSAGES: readonly (readonly [RegExp, KerberosAnswer])[] = [
  [/Password incorrect|Preauthentication failed/, 'wrong-password'],
  [/Password expired\. {2}You must change it now/, 'must-change'],
  [/credentials have been revoked|entry in database has expired/, 'revoked'],
  [/KDC policy rejects request/, 'smartcard-required'],
  [/not found in Kerberos database/, 'unknown-account'],
];

/**
 * Asks the controller in this container for a ticket: the only proof that a password works, since LDAP
 * accepts the previous one for a while. A wrong password counts towards the lockout, a right one clears
 * the count. Rejects on anything Kerberos says that is not in `KerberosAnswer`.
 */
export async function kinit(
  containerId: string,
  sam: string,
  password: string,
): Promise<KerberosAnswer> {
  const principal = `${sam.replaceAll(/[\\/@]/g, '\\$&')}@CORP.TEST`;
  const command = ['exec', '--interactive', containerId, 'kinit', '--', principal];
  const answer = await tryDocker(command, `${password}\n`);
  if (answer.exitCode === 0) return 'ok';
  for (const [pattern, meaning] of MESSAGES) {
    if (pattern.test(answer.output)) return meaning;
  }
  throw new Error(`kinit ${sam}: ${answer.output.trim()}`);
}
