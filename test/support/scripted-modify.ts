import { fromFiletime, toFiletime } from '../../src/agent/directory/filetime.ts';
import type { Refused } from './directory-answers.ts';
import type { LdapChange } from './ldap-messages.ts';
import type { AccountState, ScriptedAccount, StoredAccount } from './scripted-account.ts';

/** The rules for a new password. */
export interface ScriptedPolicy {
  readonly minimumLength: number;
  readonly complexity: boolean;
  readonly historyLength: number;
  readonly minimumAgeSeconds: number;
  readonly lockoutThreshold: number;
}

/** How the directory takes a modify. */
export interface ModifyRules {
  readonly policy: ScriptedPolicy;
  readonly nowMs: number;
  /** What a reset with the policy-hints control has to pass besides. */
  readonly hinted: false | 'history' | 'history-and-age';
  /** Windows refuses a password that holds a part of the person's name, Samba takes it. */
  readonly names: boolean;
  /** Without Unexpire Password a reset leaves `pwdLastSet` at 0 (MS-SAMR 3.1.1.8.5). */
  readonly unexpire: boolean;
}

/** Carries a whole modify out, or nothing of it (RFC 4511 section 4.6), and says why not. */
export function modify(
  account: StoredAccount,
  changes: readonly LdapChange[],
  rules: ModifyRules,
): Refused | undefined {
  const draft = { ...account.state, history: [...account.state.history] };
  const refused = run(draft, account, changes, rules);
  // What counts a wrong old password is kept all the same.
  account.state.badPasswords = draft.badPasswords;
  if (draft.badPasswords >= rules.policy.lockoutThreshold && account.state.lockoutTime === '0') {
    account.state.lockoutTime = toFiletime(rules.nowMs);
  }
  if (refused !== undefined) return refused;
  draft.usnChanged += 1;
  if (draft.passwordVersion > account.state.passwordVersion) {
    draft.passwordUsn = draft.usnChanged;
    account.passwordWrites += 1;
  }
  account.state = draft;
  account.writes += 1;
  return undefined;
}

function run(
  draft: AccountState,
  account: StoredAccount,
  changes: readonly LdapChange[],
  rules: ModifyRules,
): Refused | undefined {
  const passwords = changes.filter(({ attribute }) => attribute.toLowerCase() === 'unicodepwd');
  const steps = [
    () => (passwords.length === 0 ? undefined : setPassword(draft, account, passwords, rules)),
    ...changes.map((change) => () => setNumber(draft, account.facts, change)),
  ];
  for (const step of steps) {
    const refused = step();
    if (refused !== undefined) return refused;
  }
  return undefined;
}

function setNumber(
  draft: AccountState,
  { denied }: ScriptedAccount,
  { attribute, values }: LdapChange,
): Refused | undefined {
  const value = values[0]?.toString();
  switch (attribute.toLowerCase()) {
    case 'unicodepwd':
      return undefined;
    case 'lockouttime':
      if (denied === true) return 'no-write-right';
      if (value !== '0') return 'bad-value';
      draft.lockoutTime = '0';
      draft.badPasswords = 0;
      return undefined;
    case 'pwdlastset':
      if (denied === true) return 'no-write-right';
      if (value !== '0' && value !== '-1') return 'bad-value';
      draft.pwdLastSet = value === '0' ? '0' : draft.pwdLastSet;
      return undefined;
    default:
      return 'no-write-right';
  }
}

function setPassword(
  draft: AccountState,
  account: StoredAccount,
  changes: readonly LdapChange[],
  rules: ModifyRules,
): Refused | undefined {
  const texts = changes.map(({ values }) => unquoted(values[0]));
  const password = texts.at(-1);
  if (texts.includes(undefined) || password === undefined) return 'not-quoted';
  const change = changes.length === 2;
  const refused = change
    ? refuseChange(draft, account, texts[0] ?? '', rules)
    : refuseReset(account, rules);
  if (refused !== undefined) return refused;
  const broken = brokenByContent(password, account.facts, rules);
  if (broken !== undefined) return broken;
  if (change || rules.hinted !== false) {
    const kept = draft.history.slice(-rules.policy.historyLength);
    if (kept.includes(password)) return 'in-history';
  }
  draft.password = password;
  draft.history.push(password);
  draft.passwordVersion += 1;
  draft.passwordSetAtMs = rules.nowMs;
  draft.pwdLastSet = change || rules.unexpire ? toFiletime(rules.nowMs) : '0';
  return undefined;
}

function refuseReset({ facts, state }: StoredAccount, rules: ModifyRules): Refused | undefined {
  if (facts.denied === true) return 'no-reset-right';
  return rules.hinted === 'history-and-age' ? tooYoung(state, rules) : undefined;
}

function refuseChange(
  draft: AccountState,
  { facts, locked }: StoredAccount,
  oldPassword: string,
  rules: ModifyRules,
): Refused | undefined {
  if (facts.cannotChange === true) return 'may-not-change';
  if (locked) return 'locked';
  if (draft.password !== oldPassword) {
    draft.badPasswords += 1;
    return 'wrong-old-password';
  }
  return tooYoung(draft, rules);
}

function tooYoung(
  { pwdLastSet }: AccountState,
  { policy, nowMs }: ModifyRules,
): Refused | undefined {
  const setAtMs = fromFiletime(pwdLastSet);
  if (setAtMs === undefined) return undefined;
  return nowMs < setAtMs + policy.minimumAgeSeconds * 1_000 ? 'too-young' : undefined;
}

const CLASSES = [/\p{Lu}/u, /\p{Ll}/u, /[0-9]/, /[~!@#$%^&*_\-+=`|\\(){}[\]:;"'<>,.?/]/, /\p{Lo}/u];

function brokenByContent(
  password: string,
  { sam, displayName = '' }: ScriptedAccount,
  { policy, names }: ModifyRules,
): Refused | undefined {
  if (password.length < policy.minimumLength) return 'too-short';
  if (!policy.complexity) return undefined;
  if (CLASSES.filter((pattern) => pattern.test(password)).length < 3) return 'too-simple';
  const parts = [sam, ...displayName.split(/[ ,.\t\-_#]/)].filter((part) => part.length > 2);
  const inside = parts.some((part) => password.toLowerCase().includes(part.toLowerCase()));
  return names && inside ? 'name-inside' : undefined;
}

/** A password as `unicodePwd` brings it; undefined when it is not in quotes. */
function unquoted(value: Buffer | undefined): string | undefined {
  const text = value?.toString('utf16le') ?? '';
  return /^".*"$/s.test(text) ? text.slice(1, -1) : undefined;
}
