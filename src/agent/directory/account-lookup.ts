import { AndFilter, EqualityFilter } from 'ldapts';

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

/** Matches user objects with exactly this name; a value is never read as filter syntax. */
export function nameFilter({ attribute, value }: ParsedName): AndFilter {
  return new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'user' }),
      new EqualityFilter({ attribute, value }),
    ],
  });
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
