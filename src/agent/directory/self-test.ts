import { messageOf } from '../../support/errors.ts';
import type { Controller } from './controller.ts';
import {
  DirectoryError,
  type RightFinding,
  type RightStanding,
  type SelfTest,
} from './directory.ts';
import type { DirectoryEntry } from './entry.ts';
import { fromFiletime } from './filetime.ts';
import { readOwnExpiry, readPermissions, readSample, type Asking } from './queries.ts';
import { accessList, CONTROL_RIGHTS, hasControlRight } from './security-descriptor.ts';

/** Everyone, and Authenticated Users: whoever has bound is both, whether a controller lists it or not. */
export const ALWAYS = ['S-1-1-0', 'S-1-5-11'];

const PASSWORD_EXPIRY = 'msDS-UserPasswordExpiryTimeComputed';

/** Finds out on this controller what the service account may do, and changes nothing. */
export async function selfTestOn(
  { name, facts }: Controller,
  asking: Asking,
  { baseDns, user }: { readonly baseDns: readonly string[]; readonly user: string },
): Promise<SelfTest> {
  const { domainDn, ownSids } = await facts.profile(asking);
  const sids = new Set([...ALWAYS, ...ownSids]);
  const rights: RightFinding[] = [];
  for (const baseDn of baseDns) rights.push(...(await rightsBelow(asking, baseDn, sids)));
  const head = await found(readPermissions(asking, domainDn));
  const { unexpirePassword } = CONTROL_RIGHTS;
  rights.push({
    right: 'unexpirePassword',
    ...(head instanceof DirectoryError
      ? unknown(head)
      : controlRight(head, unexpirePassword, sids)),
  });
  const account = await found(readOwnExpiry(asking, user, domainDn));
  return {
    controller: name,
    rights,
    ...(!(account instanceof DirectoryError) && passwordExpiry(account)),
  };
}

async function rightsBelow(
  asking: Asking,
  baseDn: string,
  sids: ReadonlySet<string>,
): Promise<readonly RightFinding[]> {
  const sample = await found(readSample(asking, baseDn, sids));
  const all = (standing: RightStanding): readonly RightFinding[] =>
    ON_ACCOUNTS.map((right) => ({ baseDn, right, ...standing }));
  if (sample instanceof DirectoryError) {
    // What is not there, or not to be seen, gives no right to anything.
    return sample.code === 'ACCOUNT_NOT_FOUND'
      ? all({
          standing: 'missing',
          reason: 'it does not exist, or the service account cannot see it',
        })
      : all(unknown(sample));
  }
  if (sample === undefined) {
    return all({ standing: 'unknown', reason: 'there is no ordinary account in it to look at' });
  }
  const writable = sample.texts('allowedAttributesEffective').map((name) => name.toLowerCase());
  const standing = (attribute: string): RightStanding => ({
    standing: writable.includes(attribute) ? 'granted' : 'missing',
  });
  return [
    {
      ...{ baseDn, right: 'resetPassword' },
      ...controlRight(sample, CONTROL_RIGHTS.resetPassword, sids),
    },
    { baseDn, right: 'writeLockoutTime', ...standing('lockouttime') },
    { baseDn, right: 'writePwdLastSet', ...standing('pwdlastset') },
  ];
}

const ON_ACCOUNTS = ['resetPassword', 'writeLockoutTime', 'writePwdLastSet'] as const;

function controlRight(
  entry: DirectoryEntry,
  right: string,
  sids: ReadonlySet<string>,
): RightStanding {
  const [descriptor] = entry.bytes('nTSecurityDescriptor');
  const entries = descriptor && accessList(descriptor);
  if (entries === undefined) {
    const reason = 'the service account may not read the permissions (Read Permissions)';
    return { standing: 'unknown', reason };
  }
  return { standing: hasControlRight(entries, right, sids) ? 'granted' : 'missing' };
}

function unknown(error: DirectoryError): RightStanding {
  return { standing: 'unknown', reason: messageOf(error) };
}

function passwordExpiry(account: DirectoryEntry): Pick<SelfTest, 'passwordExpiresAt'> {
  const computed = account.int64(PASSWORD_EXPIRY);
  if (computed === undefined) return {};
  // 0 when it has to be changed at the next logon (MS-ADTS 3.1.1.4.5.37).
  if (BigInt(computed) <= 0n) return { passwordExpiresAt: 0 };
  return { passwordExpiresAt: fromFiletime(computed) ?? 'never' };
}

/** What the directory refuses to show is a finding; what did not answer at all is none. */
async function found<T>(asked: Promise<T>): Promise<T | DirectoryError> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof DirectoryError && !error.retryable) return error;
    throw error;
  }
}
