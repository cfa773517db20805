import { directoryContract } from '../contract/directory-contract.ts';
import { openLabDirectory } from '../lab/open-directory.ts';
import { useLab } from '../lab/use-lab.ts';

const lab = useLab();

directoryContract('Active Directory', {
  domain: lab.netbios,
  baseDn: lab.delegatedOu,
  namesRules: true,
  policyHints: false,
  ordinary: () => lab.person('anna'),
  locked: () => lab.person('locked'),
  prepare: () => lab.reset(),
  open: async () => openLabDirectory(lab),
  accepts: async ({ sam }, password) => (await lab.kinit(sam, password)) === 'ok',
  passwordWrites: async ({ sam }) => (await lab.passwordWrites()).get(sam) ?? 0,
});
