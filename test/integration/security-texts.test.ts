import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { delegate, grantPolicyRead, grantUnexpire } from '../../src/agent/doctor/delegation.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'service/API.md',
  'service/DELEGATION.md',
  'service/LINUX.md',
  'service/OPERATING.md',
  'service/THREATS.md',
  'service/windows/README.md',
];

function read(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8');
}

/** The access list entries that a script writes down, with SID for the account and the class spelt out. */
function entriesIn(script: string, account: string): readonly string[] {
  const entries = script.match(/\(O?A;(?:CI|CIIO)?;[A-Z]+;[^()]*\)/g) ?? [];
  const user = /\b\$?user\b\s*=\s*["']([0-9a-f-]{36})["']/i.exec(script)?.[1] ?? '';
  return entries.map((entry) =>
    entry.replace(account, 'SID').replace(/\{USER\}|\$User(?=;)/, user),
  );
}

/** An anchor as the hosts of repositories make it of a heading. */
function anchorOf(heading: string): string {
  const kept = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '');
  return kept.trim().replaceAll(/\s/g, '-');
}

test('nothing switches the verification of certificates off, in tests and trials neither', async () => {
  const option = ['reject', 'Unauthorized'].join(''); // or this file would be found
  const found: string[] = [];
  for (const folder of ['src', 'scripts', 'test']) {
    const files = await readdir(join(ROOT, folder), { recursive: true });
    for (const file of files.filter((name) => /\.(ts|mjs)$/.test(name))) {
      const path = join(folder, file);
      if ((await read(path)).includes(option)) found.push(path);
    }
  }
  expect(found).toEqual([]);
});

test('both scripts give exactly the entries that the page shows', async () => {
  const samba = entriesIn(await read('service/delegation/access_lists.py'), '%s');
  const windows = entriesIn(await read('service/delegation/passback-delegation.ps1'), '{0}');
  const page = entriesIn(await read('service/DELEGATION.md'), 'SID').slice(0, 5);
  expect(samba).toHaveLength(5);
  expect(samba.join('\n')).toMatch(/bf967aba-0de6-11d0-a285-00aa003049e2;SID\)/);
  expect(windows).toEqual(samba);
  expect(page).toEqual(samba);
});

test('what doctor gives to paste are the entries and the lines of the page', async () => {
  const page = await read('service/DELEGATION.md');
  const own = { user: 'CORP\\svc-passback', sid: 'SID' };
  const all = ['resetPassword', 'writeLockoutTime', 'writePwdLastSet'] as const;
  const commands = [
    ...delegate(all, 'OU=People,DC=corp,DC=example,DC=com', own),
    ...grantUnexpire('DC=corp,DC=example,DC=com', own),
    ...grantPolicyRead('DC=corp,DC=example,DC=com', own),
  ].flatMap(({ lines }) => lines);
  const samba = commands.filter((line) => line.startsWith('samba-tool'));
  expect(entriesIn(samba.join('\n'), 'SID')).toEqual(entriesIn(page, 'SID').slice(0, 5));
  const windows = commands.filter((line) => line.startsWith('dsacls'));
  expect(windows).toHaveLength(5);
  for (const line of windows) expect(page).toContain(line);
});

test('both scripts know the same names, masks and privileged groups', async () => {
  const samba = await read('service/delegation/access_lists.py');
  const windows = await read('service/delegation/passback-delegation.ps1');
  const names = (text: string) =>
    [...text.matchAll(/['"]([0-9a-f]{8}-[0-9a-f-]{27})['"]\s*[:=]\s*['"]([^'"]+)['"]/g)].map(
      ([, guid, name]) => `${String(guid)} ${String(name)}`,
    );
  const masks = (text: string) =>
    [...text.matchAll(/(0x[0-9A-Fa-f]+)(?::|,) ['"]([a-z ]+)['"]/g)].map(
      ([, mask, name]) => `${String(mask)} ${String(name)}`,
    );
  expect(names(samba).length).toBeGreaterThan(10);
  expect(names(windows)).toEqual(names(samba));
  expect(masks(samba)).toHaveLength(15);
  expect(masks(windows)).toEqual(masks(samba));
  for (const rid of ['512', '516', '518', '519', '520', '526', '527', '544', '548', '549']) {
    expect([rid, windows.includes(rid) && samba.includes(rid)]).toEqual([rid, true]);
  }
});

test.each([
  'service/windows/install.ps1',
  'service/windows/uninstall.ps1',
  'service/delegation/passback-delegation.ps1',
])(
  'Windows PowerShell reads %s as it was written: it takes what is not ASCII for ANSI',
  async (script) => {
    expect(await read(script)).toMatch(/^[\n -~]+$/);
  },
);

test('every test that the threat model relies on exists where it says', async () => {
  const text = await read('service/THREATS.md');
  const named = [...text.matchAll(/_([^_]+)_ \(\[[a-z-]+\]\(\.\.\/(test\/[^)]+)\)\)/g)];
  expect(named.length).toBeGreaterThan(30);
  const missing: string[] = [];
  for (const [, name = '', path = ''] of named) {
    if (!(await read(path)).includes(name)) missing.push(`${path}: ${name}`);
  }
  expect(missing).toEqual([]);
});

test.each(PAGES)('every link of %s within the project leads somewhere', async (page) => {
  const broken: string[] = [];
  for (const [, target = ''] of (await read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    const isThere = await stat(join(ROOT, file)).then(
      () => true,
      () => false,
    );
    const headings = isThere && anchor !== undefined ? (await read(file)).match(/^#+ .+$/gm) : [];
    const anchors = (headings ?? []).map((heading) => anchorOf(heading.replace(/^#+ /, '')));
    if (!isThere || (anchor !== undefined && !anchors.includes(anchor))) broken.push(target);
  }
  expect(broken).toEqual([]);
});
