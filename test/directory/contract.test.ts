import { openActiveDirectory } from '../../src/agent/directory/active-directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { directoryContract } from '../contract/directory-contract.ts';
import { useLab } from '../lab/use-lab.ts';
import { MemoryLog } from '../support/memory-log.ts';

const lab = useLab();

directoryContract('Active Directory', {
  domain: lab.netbios,
  namesRules: true,
  policyHints: false,
  ordinary: () => lab.person('anna'),
  locked: () => lab.person('locked'),
  prepare: () => lab.reset(),
  open: async () =>
    openActiveDirectory({
      domainControllers: [firstController()],
      ca: [lab.ca],
      bind: {
        user: lab.serviceAccount.userPrincipalName,
        password: async () => new Secret(lab.serviceAccount.password),
      },
      clock: systemClock,
      log: new MemoryLog(),
    }),
  accepts: async ({ sam }, password) => (await lab.kinit(sam, password)) === 'ok',
  passwordWrites: async ({ sam }) => (await lab.passwordWrites()).get(sam) ?? 0,
});

function firstController() {
  const [controller] = lab.controllers;
  if (controller === undefined) throw new Error('the lab has no controller');
  return controller;
}
