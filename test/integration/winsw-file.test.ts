import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FILE = join(import.meta.dirname, '../../service/windows/passback-winsw.xml');

function textIn(xml: string, element: string): string | undefined {
  return new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];
}

test('both generations of WinSW read the account, which is that of the service’s own name', async () => {
  const xml = await readFile(FILE, 'utf8');
  const id = textIn(xml, 'id');
  expect(id).toBe('passback');
  // 2.x: two elements. 3.x: one.
  expect([textIn(xml, 'domain'), textIn(xml, 'user')]).toEqual(['NT SERVICE', id]);
  expect(textIn(xml, 'username')).toBe(`NT SERVICE\\${id}`);
});

test('what to do where WinSW takes another account is said before anything is started', async () => {
  const [header = ''] = (await readFile(FILE, 'utf8')).split('<service>');
  expect(header).toContain('sc.exe qc passback');
  expect(header).toContain('sc.exe config passback obj= "NT SERVICE\\passback"');
});
