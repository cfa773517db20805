import type { Clock } from '../../src/support/clock.ts';
import { systemClock } from '../../src/support/clock.ts';
import { refusalIn, rejectedBind, type Dialect, type Refused } from './directory-answers.ts';
import { guid, sid } from './ldap-domain.ts';
import type { LdapEntry, LdapRequest, LdapResult } from './ldap-messages.ts';
import type { LdapAnswer } from './ldap-server.ts';
import { StoredAccount, type ScriptedAccount } from './scripted-account.ts';
import {
  CONFIGURATION_DN,
  CROSS_REFERENCE,
  DOMAIN_DN,
  domainHead,
  fineGrainedPolicy,
  pdcOf,
  permissions,
  POLICIES_DN,
  policyDn,
  rootDse,
  SERVICE_ACCOUNT_RID,
  serverDn,
  type ScriptedController,
} from './scripted-entries.ts';
import { modify, type ScriptedPolicy } from './scripted-modify.ts';

const INVOCATION_ID = '66666666-7777-4888-8999-aaaaaaaaaaaa';
const POLICY_HINTS = ['1.2.840.113556.1.4.2239', '1.2.840.113556.1.4.2066'];
const FIRST_RID = 1201;
const PEOPLE_DN = `OU=People,${DOMAIN_DN}`;
const PROTECTED_FROM_ABOVE = 0x9004;
const INHERITED_BY_WHAT_IS_BELOW = 0x0a;
const SERVICE_ACCOUNT_GUID = '00000000-0000-4000-8000-00000000ae17';

export const SERVICE_ACCOUNT = { user: 'agent@corp.test', password: 'Agent-1-password' } as const;

export interface ScriptedDomainOptions {
  /** Default is Windows'. */
  readonly dialect?: Dialect;
  readonly accounts?: readonly ScriptedAccount[];
  /** Instead of ten characters, complexity, five in history, one day, five wrong ones. */
  readonly policy?: Partial<ScriptedPolicy>;
  /** Fine-grained policies by name. */
  readonly policies?: Readonly<Record<string, ScriptedPolicy>>;
  /** Whether the service account may read their values. Default is false, as by default in AD. */
  readonly policiesReadable?: boolean;
  /** How Reset Password was given on the units: to what is below them (the default), or to them alone. */
  readonly givenOnUnits?: 'inherited' | 'here-only' | 'not-at-all';
  /** Why the service account is rejected: what follows `data` (MS-ERREF 2.2). */
  readonly rejects?: string;
  /** Whether policy hints bring the minimum age along; whether a controller does is disputed. */
  readonly hintsEnforceAge?: boolean;
  /** Whether the service account has Unexpire Password. Default is true. */
  readonly unexpire?: boolean;
  /** Whether the service account may read permissions. Default is true. */
  readonly permissionsReadable?: boolean;
  /** When the password of the service account expires, as a FILETIME. Default: never. */
  readonly servicePasswordExpires?: string;
  readonly clock?: Clock;
}

const POLICY: ScriptedPolicy = {
  minimumLength: 10,
  complexity: true,
  historyLength: 5,
  minimumAgeSeconds: 86_400,
  lockoutThreshold: 5,
};

/**
 * A domain that keeps what is written to it, for any number of `startLdapServer`s, and says what
 * Windows would say, or Samba. Its controllers have one database: what one writes all have.
 */
export class ScriptedDomain {
  readonly #options: ScriptedDomainOptions;
  readonly #clock: Clock;
  readonly #policy: ScriptedPolicy;
  readonly #accounts: readonly StoredAccount[];

  constructor(options: ScriptedDomainOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#policy = { ...POLICY, ...options.policy };
    this.#accounts = (options.accounts ?? []).map(
      (facts, i) =>
        new StoredAccount(facts, facts.rid ?? FIRST_RID + i, DOMAIN_DN, this.#clock.now()),
    );
  }

  get dialect(): Dialect {
    return this.#options.dialect ?? 'windows';
  }

  /** The account with this sAMAccountName. Throws when there is none. */
  account(sam: string): StoredAccount {
    const found = this.#accounts.find(({ facts }) => facts.sam === sam);
    if (found === undefined) throw new RangeError(`the domain has no account ${sam}`);
    return found;
  }

  /** The answers of one of its controllers. */
  on(
    controller: ScriptedController = {},
  ): (request: LdapRequest) => LdapAnswer | Promise<LdapAnswer> {
    const bound = new Set<number>();
    return (request) => {
      const instead = controller.instead?.(request);
      if (instead !== undefined) return instead;
      if (request.op === 'bind') {
        const answer = this.#bind(request);
        if (answer.result === undefined) bound.add(request.connection);
        return answer;
      }
      if (!bound.has(request.connection) && request.dn !== '') return this.#refuse('not-bound');
      const unknown = request.controls.some(
        ({ critical, oid }) => critical && !this.#controls(controller).includes(oid),
      );
      if (unknown) return this.#refuse('unknown-control');
      return request.op === 'search'
        ? this.#search(request, controller)
        : this.#modify(request, controller);
    };
  }

  #bind({ dn, password }: LdapRequest): LdapResult {
    const { rejects } = this.#options;
    if (rejects !== undefined) return rejectedBind(rejects);
    const right = dn === SERVICE_ACCOUNT.user && password === SERVICE_ACCOUNT.password;
    return right ? {} : rejectedBind('52e');
  }

  #search(request: LdapRequest, controller: ScriptedController): LdapResult {
    const found = this.#find(request, controller);
    if (found === undefined) return this.#refuse('no-object');
    const wanted = request.attributes.map((name) => name.toLowerCase());
    return {
      entries: found.map(({ dn, attributes }) => ({
        dn,
        attributes: Object.fromEntries(
          Object.entries(attributes).filter(([name]) => wanted.includes(name.toLowerCase())),
        ),
      })),
    };
  }

  #find(request: LdapRequest, controller: ScriptedController): readonly LdapEntry[] | undefined {
    const { dn, scope, filter } = request;
    const server = serverDn(controller);
    switch (dn.toLowerCase()) {
      case '':
        return [rootDse(controller, this.#controls(controller), this.#clock.now())];
      case DOMAIN_DN.toLowerCase():
        if (scope === 0) return [this.#head(controller)];
        return [...this.#below(dn, filter), ...this.#serviceAccount(filter)];
      case `cn=partitions,${CONFIGURATION_DN}`.toLowerCase():
        return filter?.matches(CROSS_REFERENCE.keys) === true ? [CROSS_REFERENCE.entry] : [];
      case `CN=NTDS Settings,${server}`.toLowerCase():
        return [{ dn, attributes: { invocationId: [guid(INVOCATION_ID)] } }];
      case server.toLowerCase():
        return [{ dn, attributes: { dNSHostName: [pdcOf(controller)] } }];
      case `<guid=${SERVICE_ACCOUNT_GUID}>`:
        return [this.#serviceEntry];
      default:
        return scope === 2
          ? this.#unit(dn, filter)
          : (this.#accountOrPolicy(dn) ?? this.#container(dn, scope));
    }
  }

  #head(controller: ScriptedController): LdapEntry {
    const { dn, attributes } = domainHead(this.#policy, controller);
    const { unexpire = true, permissionsReadable = true } = this.#options;
    const nTSecurityDescriptor = [permissions('unexpirePassword', unexpire)];
    return {
      dn,
      attributes: { ...attributes, ...(permissionsReadable && { nTSecurityDescriptor }) },
    };
  }

  #below(unit: string, filter: LdapRequest['filter']): readonly LdapEntry[] {
    return this.#accounts
      .filter(({ dn, facts, upn }) => dn.endsWith(unit) && filter?.matches(keysOf(facts, upn)))
      .map((account) => this.#entry(account));
  }

  #unit(dn: string, filter: LdapRequest['filter']): readonly LdapEntry[] | undefined {
    return this.#isUnit(dn) ? this.#below(dn, filter) : undefined;
  }

  #isUnit(dn: string): boolean {
    const units = this.#accounts.map(({ facts }) => `${facts.ou ?? ''},${DOMAIN_DN}`);
    return [PEOPLE_DN, ...units].includes(dn);
  }

  #container(dn: string, scope: number): readonly LdapEntry[] | undefined {
    if (dn === POLICIES_DN) return this.#policyContainer(scope);
    if (!this.#isUnit(dn)) return undefined;
    const { givenOnUnits = 'inherited', permissionsReadable = true } = this.#options;
    const flags = givenOnUnits === 'inherited' ? INHERITED_BY_WHAT_IS_BELOW : 0;
    const isCutOff = this.#accounts.some(
      (account) => account.facts.cutOff === 'unit' && account.dn.endsWith(`,${dn}`),
    );
    const list = permissions('resetPassword', givenOnUnits !== 'not-at-all', {
      flags,
      ...(isCutOff && dn !== PEOPLE_DN && { control: PROTECTED_FROM_ABOVE }),
    });
    return [{ dn, attributes: permissionsReadable ? { nTSecurityDescriptor: [list] } : {} }];
  }

  #policyContainer(scope: number): readonly LdapEntry[] {
    const { policies = {}, policiesReadable = false } = this.#options;
    if (scope === 0) {
      const attributes = policiesReadable ? { cn: ['Password Settings Container'] } : {};
      return [{ dn: POLICIES_DN, attributes }];
    }
    const names = policiesReadable ? Object.keys(policies) : [];
    return names.map((name) => ({ dn: policyDn(name), attributes: { cn: [name] } }));
  }

  #serviceAccount(filter: LdapRequest['filter']): readonly LdapEntry[] {
    const { user: upn, password } = SERVICE_ACCOUNT;
    return filter?.matches(keysOf({ sam: 'agent', password }, upn)) === true
      ? [this.#serviceEntry]
      : [];
  }

  get #serviceEntry(): LdapEntry {
    const { servicePasswordExpires = '9223372036854775807' } = this.#options;
    return {
      dn: `CN=agent,OU=Service,${DOMAIN_DN}`,
      attributes: {
        objectGUID: [guid(SERVICE_ACCOUNT_GUID)],
        objectSid: [sid(SERVICE_ACCOUNT_RID)],
        sAMAccountName: ['agent'],
        'msDS-UserPasswordExpiryTimeComputed': [servicePasswordExpires],
      },
    };
  }

  #accountOrPolicy(dn: string): readonly LdapEntry[] | undefined {
    const account = this.#byGuid(dn);
    if (account !== undefined) return [this.#entry(account)];
    const { policies = {}, policiesReadable = false } = this.#options;
    const name = Object.keys(policies).find((candidate) => policyDn(candidate) === dn);
    const policy = name === undefined ? undefined : policies[name];
    // Without the right to read it the object is not even there.
    return policy !== undefined && policiesReadable
      ? [{ dn, attributes: fineGrainedPolicy(policy) }]
      : undefined;
  }

  #modify({ dn, changes, controls }: LdapRequest, controller: ScriptedController): LdapResult {
    if (controller.readOnly === true) return this.#refuse('referral');
    const account = this.#byGuid(dn);
    if (account === undefined) return this.#refuse('no-object');
    const hinted = controls.find(({ oid }) => POLICY_HINTS.includes(oid));
    // PolicyHintsRequestValue ::= SEQUENCE { Flags INTEGER } (MS-ADTS 3.1.1.3.4.1.27).
    if (hinted !== undefined && hinted.value.toString('hex') !== '3003020101') {
      return this.#refuse('unknown-control');
    }
    const known = hinted !== undefined && this.#controls(controller).includes(hinted.oid);
    const enforced = this.#options.hintsEnforceAge === true ? 'history-and-age' : 'history';
    const policy = this.#policyOf(account);
    const refused = modify(account, changes, {
      policy,
      nowMs: this.#clock.now(),
      hinted: known && enforced,
      names: this.dialect === 'windows',
      unexpire: this.#options.unexpire ?? true,
    });
    if (refused === undefined) return {};
    const change = changes.some(({ operation }) => operation === 'add');
    return refusalIn(this.dialect, refused, { change, minimumLength: policy.minimumLength });
  }

  #refuse(why: Refused): LdapResult {
    return refusalIn(this.dialect, why, { change: false, minimumLength: 0 });
  }

  #byGuid(dn: string): StoredAccount | undefined {
    return this.#accounts.find(({ objectGuid }) => dn.toLowerCase() === `<guid=${objectGuid}>`);
  }

  #entry(account: StoredAccount): LdapEntry {
    const { policy } = account.facts;
    const policyName = policy === undefined ? undefined : policyDn(policy);
    const { dn, attributes } = account.entry(this.#clock.now(), INVOCATION_ID, policyName);
    const granted = account.facts.denied !== true;
    const { permissionsReadable = true } = this.#options;
    return {
      dn,
      attributes: {
        ...attributes,
        ...(granted && { allowedAttributesEffective: ['lockoutTime', 'pwdLastSet'] }),
        ...(permissionsReadable && {
          nTSecurityDescriptor: [
            permissions('resetPassword', granted, {
              ...(account.facts.cutOff === true && { control: PROTECTED_FROM_ABOVE }),
            }),
          ],
        }),
      },
    };
  }

  #policyOf({ facts }: StoredAccount): ScriptedPolicy {
    return this.#options.policies?.[facts.policy ?? ''] ?? this.#policy;
  }

  #controls({ policyHints }: ScriptedController): readonly string[] {
    const hints = policyHints ?? (this.dialect === 'windows' ? POLICY_HINTS.slice(0, 1) : []);
    return ['1.2.840.113556.1.4.319', '1.2.840.113556.1.4.801', ...hints]; // paged results, SD flags
  }
}

/** What a filter finds an account by. */
function keysOf({ sam, adminCount }: ScriptedAccount, upn: string): Record<string, string> {
  return {
    objectclass: 'user',
    samaccounttype: '805306368',
    samaccountname: sam,
    userprincipalname: upn,
    ...(adminCount === true && { admincount: '1' }),
  };
}
