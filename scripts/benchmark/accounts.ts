import { Attribute } from 'ldapts';
import { guidText } from '../../src/agent/directory/guid.ts';
import type { Lab } from '../../test/lab/lab.ts';

const NORMAL_ACCOUNT = '512';

/** Makes so many ordinary accounts in the delegated place; resolves with their objectGuids. */
export async function makeAccounts(lab: Lab, count: number): Promise<readonly string[]> {
  const client = lab.client();
  await client.bind(lab.administrator.userPrincipalName, lab.administrator.password);
  try {
    const guids: string[] = [];
    for (let i = 1; i <= count; i++) {
      const dn = `CN=bench${i},${lab.delegatedOu}`;
      await client.add(dn, [
        text('objectClass', 'user'),
        text('sAMAccountName', `bench${i}`),
        text('userAccountControl', NORMAL_ACCOUNT),
        new Attribute({
          type: 'unicodePwd',
          values: [Buffer.from('"Before-the-1-Bench"', 'utf16le')],
        }),
      ]);
      const { searchEntries } = await client.search(dn, {
        scope: 'base',
        attributes: ['objectGUID'],
        explicitBufferAttributes: ['objectGUID'],
      });
      const guid = guidText(searchEntries[0]?.objectGUID as Buffer);
      if (guid === undefined) throw new Error(`${dn} has no objectGUID`);
      guids.push(guid);
    }
    return guids;
  } finally {
    await client.unbind();
  }
}

function text(type: string, value: string): Attribute {
  return new Attribute({ type, values: [value] });
}
