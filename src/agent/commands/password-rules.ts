import type { BrokenRule } from '../../protocol/account.ts';
import { CODES } from '../../protocol/codes.ts';
import { timestamp } from '../../protocol/shapes.ts';
import { DirectoryError, type AccountChange, type AccountReading } from '../directory/directory.ts';
import { fromFiletime } from '../directory/filetime.ts';
import { complexityOf } from './complexity.ts';
import { Refusal } from './outcomes.ts';

/** A password that the directory refused, and how it came. */
export interface RefusedPassword {
  readonly password: string;
  readonly op: 'reset' | 'change';
  /** A reset that carried, or may have carried, the policy-hints control. */
  readonly historyEnforced: boolean;
}

/** The part of a reading that the rules are about. */
export type RuledAccount = Pick<
  AccountReading,
  'policy' | 'samAccountName' | 'displayName' | 'pwdLastSet' | 'controllerTimeMs'
>;

/** Shorter parts of a name are not looked for (MS-SAMR 3.1.1.7.2). */
const SHORTEST_NAME_PART = 3;
/** An age of "never" ends later than a timestamp can say. */
const LAST_TIMESTAMP = Date.parse('9999-12-31T23:59:59.999Z');
/** What a display name is cut at (MS-SAMR 3.1.1.7.2). */
const NAME_DELIMITERS = /[ ,.\t\-_#]+/;

const HIDDEN_POLICY =
  'Which policy applies to this account is hidden from the agent: to have the broken rule named, let its service account read the objects in CN=Password Settings Container,CN=System.';

/**
 * The refusal that a failed write becomes, with its rules and the time from which it would work;
 * any other error as it is. Never repeats the password.
 */
export function explainRefusal(
  error: unknown,
  change: AccountChange,
  account: AccountReading,
): unknown {
  if (!(error instanceof DirectoryError) || error.code !== 'PASSWORD_POLICY') return error;
  if (change.op === 'unlock') return error;
  const rules = brokenRules(toRefused(change), account, error.rules);
  const notBefore = rules.find(({ worksFrom }) => worksFrom !== undefined)?.worksFrom;
  const hidden = error.rules.length === 0 && account.policy.source === 'unreadable';
  return new Refusal('PASSWORD_POLICY', {
    controller: error.controller ?? account.controller,
    rules: [...rules],
    ...(notBefore !== undefined && { notBefore }),
    ...(hidden && { message: `${CODES.PASSWORD_POLICY.meaning} ${HIDDEN_POLICY}` }),
  });
}

/** What the policy, as the agent reads it, speaks against before the directory was asked; empty where nothing does. */
export function expectedToBreak(
  change: AccountChange,
  account: RuledAccount,
): readonly BrokenRule[] {
  if (change.op === 'unlock') return [];
  return suspected(toRefused(change), account).filter(({ confidence }) => confidence === 'likely');
}

/**
 * What a refused password broke; never empty. The server's own words, where it had any, are
 * `certain` and all there is. What the policy, as the agent reads it, speaks against is `likely`: a
 * filter may have said no as well, and a policy may be hidden altogether. Where values cannot be
 * read, or the rule itself leaves it open, it is `unknown`. What no rule explains is the history or
 * a filter.
 */
export function brokenRules(
  refused: RefusedPassword,
  account: RuledAccount,
  named: readonly BrokenRule[],
): readonly BrokenRule[] {
  if (named.length > 0) return named.map((rule) => completed(rule, account));
  const suspects = suspected(refused, account);
  if (suspects.some(({ confidence }) => confidence === 'likely')) {
    return suspects.filter(({ confidence }) => confidence === 'likely');
  }
  const confidence = suspects.length === 0 ? 'likely' : 'unknown';
  return [...suspects, { rule: 'history-or-filter', confidence }];
}

function toRefused(change: Exclude<AccountChange, { op: 'unlock' }>): RefusedPassword {
  return {
    password: change.password.reveal(),
    op: change.op,
    historyEnforced: change.op === 'reset' && change.policyHints !== 'off',
  };
}

function suspected(password: RefusedPassword, account: RuledAccount): readonly BrokenRule[] {
  return [
    ...lengthRule(password, account),
    ...complexityRule(password, account),
    ...nameRule(password, account),
    ...ageRule(password, account),
  ];
}

/** A rule that the server named, with the number or the time that it may have left out. */
function completed(rule: BrokenRule, { policy, ...account }: RuledAccount): BrokenRule {
  const { minimumLength } = policy;
  if (rule.rule === 'length' && rule.minimumLength === undefined && (minimumLength ?? 0) > 0) {
    return { ...rule, minimumLength };
  }
  if (rule.rule === 'minimum-age' && rule.worksFrom === undefined) {
    return { ...rule, ...from(worksFromMs({ policy, ...account })) };
  }
  return rule;
}

function lengthRule({ password }: RefusedPassword, { policy }: RuledAccount): BrokenRule[] {
  const { minimumLength } = policy;
  if (minimumLength === undefined) return [{ rule: 'length', confidence: 'unknown' }];
  // The directory counts UTF-16 units, as JavaScript does.
  if (password.length >= minimumLength) return [];
  return [{ rule: 'length', confidence: 'likely', minimumLength }];
}

function complexityRule({ password }: RefusedPassword, { policy }: RuledAccount): BrokenRule[] {
  const complexity = complexityOf(password);
  if (policy.complexity === false || complexity === 'met') return [];
  const likely = policy.complexity === true && complexity === 'broken';
  return [{ rule: 'complexity', confidence: likely ? 'likely' : 'unknown' }];
}

/** MS-SAMR 3.1.1.7.2 forbids names always, Windows' own text of the setting only with complexity. */
function nameRule({ password }: RefusedPassword, account: RuledAccount): BrokenRule[] {
  const { samAccountName, displayName = '', policy } = account;
  const parts = [samAccountName, ...displayName.split(NAME_DELIMITERS)]
    .filter((part) => part.length >= SHORTEST_NAME_PART)
    .map((part) => part.toLowerCase());
  const lowerCase = password.toLowerCase();
  if (!parts.some((part) => lowerCase.includes(part))) return [];
  return [{ rule: 'name', confidence: policy.complexity === true ? 'likely' : 'unknown' }];
}

/** A reset has no minimum age, unless the policy-hints control brings it along, which is disputed. */
function ageRule({ op, historyEnforced }: RefusedPassword, account: RuledAccount): BrokenRule[] {
  if (op === 'reset' && !historyEnforced) return [];
  if (account.policy.minimumAgeSeconds === undefined) {
    return [{ rule: 'minimum-age', confidence: 'unknown' }];
  }
  const worksFrom = worksFromMs(account);
  if (worksFrom === undefined || worksFrom <= account.controllerTimeMs) return [];
  const confidence = op === 'change' ? 'likely' : 'unknown';
  return [{ rule: 'minimum-age', confidence, ...from(worksFrom) }];
}

/** When the minimum age is over; undefined where it is not known or there is none. */
function worksFromMs({
  policy,
  pwdLastSet,
}: Pick<RuledAccount, 'policy' | 'pwdLastSet'>): number | undefined {
  const setAt = fromFiletime(pwdLastSet);
  const { minimumAgeSeconds = 0 } = policy;
  return setAt === undefined || minimumAgeSeconds === 0
    ? undefined
    : setAt + minimumAgeSeconds * 1000;
}

function from(worksFrom: number | undefined): Pick<BrokenRule, 'worksFrom'> {
  if (worksFrom === undefined || worksFrom > LAST_TIMESTAMP) return {};
  return { worksFrom: timestamp(worksFrom) };
}
