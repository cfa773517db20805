import type { EffectivePolicy } from '../../protocol/account.ts';
import type { DirectoryEntry } from './entry.ts';
import { intervalSeconds } from './filetime.ts';

/** DOMAIN_PASSWORD_COMPLEX of `pwdProperties` (MS-SAMR 2.2.1.6). */
const COMPLEX = 0x1;

export const DOMAIN_POLICY_ATTRIBUTES = [
  'minPwdLength',
  'pwdProperties',
  'pwdHistoryLength',
  'minPwdAge',
  'lockoutThreshold',
] as const;

export const FINE_GRAINED_POLICY_ATTRIBUTES = [
  'msDS-MinimumPasswordLength',
  'msDS-PasswordComplexityEnabled',
  'msDS-PasswordHistoryLength',
  'msDS-MinimumPasswordAge',
  'msDS-LockoutThreshold',
] as const;

export const UNREADABLE_POLICY: EffectivePolicy = { source: 'unreadable' };

/** The domain's own policy, from the domain head. */
export function domainPolicy(head: DirectoryEntry): EffectivePolicy {
  const properties = head.int32('pwdProperties');
  return toPolicy('domain', {
    minimumLength: head.int32('minPwdLength'),
    complexity: properties === undefined ? undefined : (properties & COMPLEX) !== 0,
    historyLength: head.int32('pwdHistoryLength'),
    minimumAgeSeconds: seconds(head.int64('minPwdAge')),
    lockoutThreshold: head.int32('lockoutThreshold'),
  });
}

/** A password settings object; one whose values are hidden, as they are by default, is unreadable. */
export function fineGrainedPolicy(settings: DirectoryEntry): EffectivePolicy {
  const complexity = settings.text('msDS-PasswordComplexityEnabled');
  return toPolicy('fine-grained', {
    minimumLength: settings.int32('msDS-MinimumPasswordLength'),
    complexity: complexity === undefined ? undefined : complexity === 'TRUE',
    historyLength: settings.int32('msDS-PasswordHistoryLength'),
    minimumAgeSeconds: seconds(settings.int64('msDS-MinimumPasswordAge')),
    lockoutThreshold: settings.int32('msDS-LockoutThreshold'),
  });
}

type Values = { readonly [K in Exclude<keyof EffectivePolicy, 'source'>]: EffectivePolicy[K] };

function toPolicy(source: EffectivePolicy['source'], values: Values): EffectivePolicy {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return known.length === 0 ? UNREADABLE_POLICY : { source, ...Object.fromEntries(known) };
}

function seconds(interval: string | undefined): number | undefined {
  return interval === undefined ? undefined : intervalSeconds(interval);
}
