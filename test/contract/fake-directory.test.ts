import { FakeDirectory } from '../support/fake-directory.ts';
import { directoryContract, type ContractAccount } from './directory-contract.ts';

let directory = new FakeDirectory();
let guids: readonly string[] = [];

function account(index: number, sam: string): ContractAccount {
  const objectGuid = guids[index] ?? '';
  return { objectGuid, sam, upn: `${sam}@corp.test`, password: `${sam}-has-4-Keys` };
}

directoryContract('the directory in memory', {
  domain: 'CORP',
  baseDn: 'OU=People,DC=corp,DC=test',
  namesRules: true,
  policyHints: false,
  ordinary: () => account(0, 'anna'),
  locked: () => account(1, 'locked'),
  prepare: async () => {
    directory = new FakeDirectory();
    const lockout = { locked: true, lockoutTime: '133000000000000000' };
    guids = [
      directory.add({ sam: 'anna', password: 'anna-has-4-Keys' }),
      directory.add({ sam: 'locked', password: 'locked-has-4-Keys', facts: lockout }),
    ];
  },
  open: async () => directory,
  accepts: async ({ objectGuid }, password) => directory.passwordOf(objectGuid) === password,
  passwordWrites: async ({ objectGuid }) => directory.passwordWrites(objectGuid),
});
