import { PEOPLE_OU, type Account, type Trait } from '../../test/lab/people.ts';

/** What a reset or an unlock is refused for, whatever else happens. */
const REFUSED: readonly Trait[] = ['disabled', 'accountExpired', 'smartcard', 'adminCount'];

/** The logon names that the agent may work on. */
export function usablePeople(people: readonly Account[]): readonly string[] {
  return people
    .filter(
      ({ ou, traits, groups = [], spn }) =>
        ou.endsWith(PEOPLE_OU) &&
        !traits.some((trait) => REFUSED.includes(trait)) &&
        !groups.includes('Domain Admins') &&
        spn === undefined,
    )
    .map(({ sam }) => sam);
}
