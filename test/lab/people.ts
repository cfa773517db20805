/** What is special about an account; the controller's `lab.py` turns each word into directory data. */
export type Trait =
  | 'locked'
  | 'disabled'
  | 'accountExpired'
  | 'passwordExpired'
  | 'mustChange'
  | 'neverExpires'
  | 'smartcard'
  | 'cannotChange'
  | 'adminCount';

/** One row of the table: an account as every `reset()` leaves it. */
export interface Account {
  readonly sam: string;
  /** The RDN's value as a human writes it: the lab escapes it. */
  readonly cn: string;
  readonly upn: string;
  readonly password: string;
  readonly ou: string;
  readonly traits: readonly Trait[];
  readonly groups?: readonly string[];
  readonly spn?: string;
}

export const BASE_DN = 'DC=corp,DC=test';
export const PEOPLE_OU = `OU=People,${BASE_DN}`;
const BERLIN_OU = `OU=Berlin,${PEOPLE_OU}`;
const OUTSIDE_OU = `OU=Outside,${BASE_DN}`;
const SERVICE_OU = `OU=Service Accounts,${BASE_DN}`;

type Particulars = Partial<Omit<Account, 'sam' | 'cn'>>;

/** An ordinary account in OU=People, but for its particulars. */
export function person(sam: string, cn: string, particulars: Particulars = {}): Account {
  const first = `${sam.charAt(0).toUpperCase()}${sam.slice(1)}`;
  return {
    sam,
    cn,
    upn: `${sam}@corp.test`,
    password: `${first}-has-4-Keys`,
    ou: PEOPLE_OU,
    traits: [],
    ...particulars,
  };
}

/** Everybody a reset may be asked for. Those in OU=People and below are delegated, those outside are not. */
export const PEOPLE: readonly Account[] = [
  person('anna', 'Anna Adler'),
  person('ben', 'Ben Brandt'),
  person('clara', 'Clara Conrad', { ou: BERLIN_OU }),

  // Names that have to survive DNs, filters and Kerberos.
  person('jörg', 'Müller, Jörg "Jogi"', { upn: 'jörg.müller@corp.test' }),
  person('hash', '#Hannah Hash', { upn: '#hannah@corp.test' }),
  person('obrien', "Pat O'Brien (Ops) *", { upn: "pat.o'brien@corp.test" }),
  person('slash', 'Sam Back\\slash; a+b=c <d>', { upn: 'sam+test@corp.test' }),
  person('long.name.of.twenty1', 'Łucja Żółć-Ñandú', { upn: 'lucja@people.example' }),

  // Passwords that have to survive UTF-16, quoting and a trim somebody meant well.
  person('emoji', 'Emil Emoji', { password: 'Grün🔑🦊 ist 1 Fuchs' }),
  person('quotes', 'Quentin Quotes', { password: ' "Quo\'tes" \\and 1 space ' }),

  // States of an account.
  person('locked', 'Lotte Locked', { traits: ['locked'] }),
  person('disabled', 'Dieter Disabled', { traits: ['disabled'] }),
  person('expired', 'Emma Expired', { traits: ['accountExpired'] }),
  person('stale', 'Stefan Stale', { traits: ['passwordExpired'] }),
  person('mustchange', 'Maria Mustchange', { traits: ['mustChange'] }),
  person('forever', 'Frida Forever', { traits: ['neverExpires'] }),
  person('smartcard', 'Simon Smartcard', { traits: ['smartcard'] }),
  person('fixed', 'Finn Fixed', { traits: ['cannotChange'] }),

  // A password of at least 16 characters, by the fine-grained policy of the group.
  person('strict', 'Sabine Strict', {
    password: 'Strict-has-many-4-Keys',
    groups: ['Long Passwords'],
  }),

  // Accounts nobody may take over, though they are in the delegated place.
  person('boss', 'Bodo Boss', { groups: ['Domain Admins'] }),
  person('formeradmin', 'Fritz Formeradmin', { traits: ['adminCount'] }),
  person('svc-web', 'Web Service', { spn: 'HTTP/web.corp.test', traits: ['neverExpires'] }),

  person('olaf', 'Olaf Outside', { ou: OUTSIDE_OU }),
  person('olga', 'Olga Outside', { ou: OUTSIDE_OU }),
];

/** The agent's account: given Reset Password, lockoutTime and pwdLastSet on OU=People, and nothing else. */
export const AGENT_ACCOUNT: Account = person('svc-passback', 'Passback Agent', {
  ou: SERVICE_OU,
  password: 'Passback-agent-9-Keys',
  traits: ['neverExpires'],
});

/** An account like the agent's to which nobody delegated anything. */
export const BARE_ACCOUNT: Account = person('svc-bare', 'Bare Agent', {
  ou: SERVICE_OU,
  password: 'Bare-agent-has-9-Keys',
  traits: ['neverExpires'],
});

/** Of the lab only: it dies with its container. */
export const ADMINISTRATOR = {
  dn: `CN=Administrator,CN=Users,${BASE_DN}`,
  userPrincipalName: 'Administrator@corp.test',
  password: 'Lab-administrator-1',
} as const;

/** The file the controllers read: these people and everything above, as JSON. */
export function accountTable(people: readonly Account[]): string {
  return JSON.stringify({
    people,
    serviceAccounts: [AGENT_ACCOUNT, BARE_ACCOUNT],
    administratorPassword: ADMINISTRATOR.password,
  });
}
