import { expect, test } from 'vitest';
import { openScriptedDirectory } from '../support/scripted-directory.ts';

const NEVER = new AbortController().signal;
const PASSWORD = 'Old-1-password';

test('a principal name is what the account has, or its logon name at the domain', async () => {
  await using scripted = await openScriptedDirectory({
    accounts: [{ sam: 'eva', password: PASSWORD, upn: 'eva.berg@people.example' }],
  });
  for (const name of ['eva.berg@people.example', 'eva@corp.test', 'CORP\\eva', 'eva']) {
    const reading = await scripted.directory.read({ name }, NEVER);
    expect([name, reading.samAccountName]).toEqual([name, 'eva']);
  }
  for (const name of ['eva@people.example', 'eva@corp.test.example']) {
    await expect(scripted.directory.read({ name }, NEVER)).rejects.toMatchObject({
      code: 'ACCOUNT_NOT_FOUND',
    });
  }
});

test('a name that one account was given and another one has by itself is refused', async () => {
  await using scripted = await openScriptedDirectory({
    accounts: [
      { sam: 'eva', password: PASSWORD, upn: 'eva.berg@corp.test' },
      { sam: 'karl', password: PASSWORD, upn: 'eva@corp.test' },
    ],
  });
  await expect(scripted.directory.read({ name: 'eva@corp.test' }, NEVER)).rejects.toMatchObject({
    code: 'ACCOUNT_AMBIGUOUS',
  });
  const karl = await scripted.directory.read({ name: 'karl@corp.test' }, NEVER);
  expect(karl.samAccountName).toBe('karl');
});
