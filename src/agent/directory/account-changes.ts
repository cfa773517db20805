import { Attribute, Change } from 'ldapts';
import type { Secret } from '../../support/secret.ts';
import { DirectoryError, type AccountChange } from './directory.ts';

/** In UTF-16 units; the directory takes a few more, but not everything in front of it does. */
const MAX_PASSWORD_LENGTH = 256;

/** The one modify that carries a change out: all of it or nothing happens (RFC 4511 section 4.6). */
export function toLdapChanges(change: AccountChange): Change[] {
  switch (change.op) {
    case 'reset':
      return [
        passwordChange('replace', change.password),
        ...(change.unlock ? [zero('lockoutTime')] : []),
        ...(change.mustChange ? [zero('pwdLastSet')] : []),
      ];
    case 'change':
      // MS-ADTS 3.1.1.3.1.5.1: the old value deleted and the new one added is a change, not a reset.
      return [passwordChange('delete', change.oldPassword), passwordChange('add', change.password)];
    case 'unlock':
      return [zero('lockoutTime')];
  }
}

function passwordChange(operation: 'replace' | 'delete' | 'add', password: Secret): Change {
  const values = [unicodePwd(password)];
  return new Change({ operation, modification: new Attribute({ type: 'unicodePwd', values }) });
}

function zero(type: 'lockoutTime' | 'pwdLastSet'): Change {
  const modification = new Attribute({ type, values: ['0'] });
  return new Change({ operation: 'replace', modification });
}

/**
 * A password as `unicodePwd` takes it: in quotes, UTF-16LE. Throws on one that the directory would
 * store and nobody could log on with.
 */
export function unicodePwd(password: Secret): Buffer {
  const text = password.reveal();
  if (text.length > MAX_PASSWORD_LENGTH || text.includes('\0') || !text.isWellFormed()) {
    throw new DirectoryError(
      'PASSWORD_NOT_ENCODABLE',
      'the password holds NUL or half a surrogate pair, or is too long',
    );
  }
  return Buffer.from(`"${text}"`, 'utf16le');
}
