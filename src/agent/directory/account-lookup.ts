import { AndFilter, EqualityFilter, NotFilter, OrFilter, type Filter } from 'ldapts';

/** What a person typed, by its form. */
export type ParsedName =
  | { readonly attribute: 'userPrincipalName' | 'sAMAccountName'; readonly value: string }
  | {
      readonly attribute: 'sAMAccountName';
      readonly value: string;
      /** NetBIOS or DNS name of the domain that was meant. */
      readonly domain: string;
    };

/** Reads `DOMAIN\user`, a user principal name or a bare logon name. Never fails: a strange name finds nobody. */
export function parseName(name: string): ParsedName {
  const separator = name.indexOf('\\');
  if (separator >= 0) {
    return {
      attribute: 'sAMAccountName',
      domain: name.slice(0, separator),
      value: name.slice(separator + 1),
    };
  }
  return { attribute: name.includes('@') ? 'userPrincipalName' : 'sAMAccountName', value: name };
}

/**
 * Matches user objects with exactly this name; a value is never read as filter syntax. A principal
 * name is the attribute's value or, whatever that is, `sAMAccountName@<DNS name of the domain>`
 * (MS-ADTS 5.1.1.1.1). It may be two accounts' name in the two ways: then it is nobody's here.
 */
export function nameFilter({ attribute, value }: ParsedName, domainDn: string): AndFilter {
  const named: Filter[] = [new EqualityFilter({ attribute, value })];
  const implicit = attribute === 'userPrincipalName' ? implicitName(value, domainDn) : undefined;
  if (implicit !== undefined) {
    named.push(new EqualityFilter({ attribute: 'sAMAccountName', value: implicit }));
  }
  return new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'user' }),
      ...(named.length === 1 ? named : [new OrFilter({ filters: named })]),
    ],
  });
}

function implicitName(principal: string, domainDn: string): string | undefined {
  const suffix = `@${domainDn.replaceAll(/(^|,)DC=/gi, (_, comma) => (comma === '' ? '' : '.'))}`;
  if (!principal.toLowerCase().endsWith(suffix.toLowerCase())) return undefined;
  const name = principal.slice(0, -suffix.length);
  return name === '' ? undefined : name;
}

/** Finds the domain's own entry below `CN=Partitions`, which has its NetBIOS and DNS name. */
export function domainNameFilter(domainDn: string): AndFilter {
  return new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'crossRef' }),
      new EqualityFilter({ attribute: 'nCName', value: domainDn }),
    ],
  });
}

const NORMAL_USER = new EqualityFilter({ attribute: 'sAMAccountType', value: '805306368' });

/** Matches normal user accounts that AdminSDHolder has taken the inherited permissions from. */
export function protectedAccountFilter(): AndFilter {
  const adminCount = new EqualityFilter({ attribute: 'adminCount', value: '1' });
  return new AndFilter({ filters: [NORMAL_USER, adminCount] });
}

/** Matches fine-grained password policies. */
export function fineGrainedPolicyFilter(): EqualityFilter {
  return new EqualityFilter({ attribute: 'objectClass', value: 'msDS-PasswordSettings' });
}

/** Matches normal user accounts whose permissions are those of where they are: no AdminSDHolder's. */
export function ordinaryAccountFilter(): AndFilter {
  return new AndFilter({
    filters: [
      NORMAL_USER,
      new NotFilter({ filter: new EqualityFilter({ attribute: 'adminCount', value: '1' }) }),
    ],
  });
}
