import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { powershellErrors } from '../support/powershell.ts';

const ROOT = join(import.meta.dirname, '../..');

async function filesNamed(ending: string, ...folders: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(ROOT, folder), { recursive: true });
      return names.filter((name) => name.endsWith(ending)).map((name) => `${folder}/${name}`);
    }),
  );
  return found.flat().sort();
}

const scripts = await filesNamed('.ps1', 'service', 'scripts');
const texts = ['README.md', ...(await filesNamed('.md', 'service'))];

describe('no script for PowerShell, and nothing that a text says to type there, has an error of syntax', () => {
  test.each([
    ['a brace that is not closed', 'function A {\n  if ($x) { 1\n}\n', 'line 3: } is missing'],
    ['a string that does not end', '$a = 1\nGet-Item "abc\n', 'line 2: Get-Item "abc'],
    ['a word in the place of another', 'foreach ($x on $y) { $x }\n', 'line 1: foreach ($x on $y)'],
  ])('the search for one finds %s', (_, text, error) => {
    expect(powershellErrors(text)).toEqual([expect.stringContaining(error)]);
  });

  test('the search for scripts finds those that are shipped', () => {
    expect(scripts).toEqual([
      'service/delegation/passback-delegation.ps1',
      'service/windows/install.ps1',
      'service/windows/uninstall.ps1',
    ]);
  });

  test.each(scripts)('%s', async (path) => {
    expect(powershellErrors(await readFile(join(ROOT, path), 'utf8'))).toEqual([]);
  });

  test.each(texts)('blocks of %s', async (path) => {
    const text = await readFile(join(ROOT, path), 'utf8');
    for (const [, block = ''] of text.matchAll(/^```powershell\n([^]*?)^```/gm)) {
      // Words in a list without quotes (`Format-List Id, Message`) the grammar does not know.
      expect(powershellErrors(block.replaceAll(/(\w+)(?:, \w+)+$/gm, '$1'))).toEqual([]);
    }
  });
});
