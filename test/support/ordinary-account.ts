import type { AccountReading } from '../../src/agent/directory/directory.ts';

export const ORDINARY_DOMAIN = 'S-1-5-21-1000-2000-3000';

/** An account that nothing speaks against, as the directory shows it. */
export const ORDINARY: AccountReading = {
  objectGuid: '00000000-0000-4000-8000-000000000001',
  distinguishedName: 'CN=Ann,OU=People,DC=corp,DC=test',
  controller: 'dc1.corp.test',
  controllerTimeMs: 0,
  readAtMs: 0,
  samAccountName: 'anna',
  sid: `${ORDINARY_DOMAIN}-1101`,
  groupSids: [`${ORDINARY_DOMAIN}-513`],
  adminCount: false,
  criticalSystemObject: false,
  hasServicePrincipalName: false,
  ownAccount: false,
  samAccountType: 805_306_368,
  disabled: false,
  expired: false,
  locked: false,
  mustChange: false,
  passwordNeverExpires: false,
  smartcardRequired: false,
  pwdLastSet: '1',
  lockoutTime: '0',
  policyHints: false,
  policy: {
    source: 'domain',
    minimumLength: 10,
    complexity: true,
    historyLength: 5,
    minimumAgeSeconds: 86_400,
    lockoutThreshold: 5,
  },
};
