import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { searchSecrets } from '../support/search-secrets.ts';

const SECRETS = {
  ascii: 'Planted-Horse-7!',
  awkward: 'Pl"ant\\ed é€ <&\'> \u{1f600}+/=%',
};

const json = (value: unknown): string => JSON.stringify(value);

/** How secrets get out, as the mechanisms themselves write them. */
const LEAKS: Readonly<Record<string, (secret: string) => Buffer | string>> = {
  'as it is': (s) => s,
  'in UTF-16LE': (s) => Buffer.from(s, 'utf16le'),
  'in UTF-16BE': (s) => Buffer.from(s, 'utf16le').swap16(),
  'as a unicodePwd value': (s) => Buffer.from(`"${s}"`, 'utf16le'),
  'as a unicodePwd value in base64': (s) => Buffer.from(`"${s}"`, 'utf16le').toString('base64'),
  'as a printed Buffer': (s) => Buffer.from(s).toString('hex').toUpperCase(),
  'as a hex dump of UTF-16': (s) => Buffer.from(s, 'utf16le').toString('hex'),
  'as a serialised Buffer': (s) => json(Buffer.from(s)),
  'as a serialised Buffer of UTF-16': (s) => json(Buffer.from(s, 'utf16le')),
  'in JSON': (s) => json({ password: s }),
  'in JSON in JSON': (s) => json({ body: json({ password: s }) }),
  'in JSON of ASCII only': (s) =>
    json(s).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  'in a query': (s) => `/reset?password=${encodeURIComponent(s)}&x=1`,
  'in a query in small letters': (s) =>
    encodeURIComponent(s).replace(/%../g, (escape) => escape.toLowerCase()),
  'in a form': (s) => new URLSearchParams({ a: 'b', password: s }).toString(),
  'in a page': (s) => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
  'in basic authentication': (s) => `Basic ${Buffer.from(`ada:${s}`).toString('base64')}`,
  'in the payload of a JWS': (s) => `e30.${Buffer.from(json({ s })).toString('base64url')}.c2ln`,
  'in base64 as UTF-16 text': (s) =>
    Buffer.from(Buffer.from(`${s} and more`).toString('base64'), 'utf16le'),
};

describe.each(Object.entries(SECRETS))('a planted secret (%s) is found', (name, secret) => {
  test.each(Object.entries(LEAKS))('%s', async (_, leak) => {
    const content = Buffer.concat([
      Buffer.from('before '),
      Buffer.from(leak(secret)),
      Buffer.from(' after'),
    ]);
    const hits = await searchSecrets(SECRETS, [{ name: 'log', content }]);
    expect(hits[0]).toMatchObject({ secret: name, place: 'log' });
    expect(JSON.stringify(hits)).not.toContain(secret.slice(0, 5));
  });

  test.each([0, 1, 2, 3, 4, 5])('in base64 after %i other bytes', async (before) => {
    const bytes = Buffer.concat([randomBytes(before), Buffer.from(secret), randomBytes(4)]);
    for (const encoding of ['base64', 'base64url'] as const) {
      const content = bytes.toString(encoding);
      const hits = await searchSecrets(SECRETS, [{ name: 'frame', content }]);
      expect([encoding, hits.map((hit) => hit.secret)]).toEqual([encoding, [name]]);
    }
  });
});

test('a single file and every file below a folder are searched, and named', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'passback-search-'));
  try {
    const deep = join(folder, 'a', 'b');
    await mkdir(deep, { recursive: true });
    await writeFile(join(deep, 'journal'), Buffer.from(SECRETS.ascii, 'utf16le'));
    await writeFile(join(folder, 'agent.log'), `x\n{"password":${json(SECRETS.awkward)}}\n`);
    await writeFile(join(folder, 'clean'), 'nothing');
    const below = await searchSecrets(SECRETS, [folder]);
    expect(new Set(below.map(({ place }) => place))).toEqual(
      new Set([join(deep, 'journal'), join(folder, 'agent.log')]),
    );
    const single = await searchSecrets(SECRETS, [join(folder, 'agent.log')]);
    expect(single).toMatchObject([{ secret: 'awkward', encoding: 'json', offset: 15 }]);
    expect(await searchSecrets(SECRETS, [join(folder, 'clean')])).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('clean data hold nothing: random bytes, their encodings, and near misses', async () => {
  const noise = randomBytes(1 << 20);
  const near = [SECRETS.ascii.slice(0, -1), SECRETS.ascii.toLowerCase(), 'Planted Horse 7!'];
  const hits = await searchSecrets(SECRETS, [
    { name: 'noise', content: noise },
    { name: 'base64', content: noise.toString('base64') },
    { name: 'hex', content: noise.toString('hex') },
    { name: 'gzip', content: gzipSync(json(near)) },
    ...near.map((content) => ({ name: 'near', content })),
    ...near.map((text) => ({ name: 'near', content: Buffer.from(text, 'utf16le') })),
    ...near.map((text) => ({ name: 'near', content: Buffer.from(text).toString('base64') })),
  ]);
  expect(hits).toEqual([]);
});

test('what is not there to be searched is an error, not a clean result', async () => {
  await expect(searchSecrets(SECRETS, ['/nonexistent/log'])).rejects.toThrow('ENOENT');
});

test('a secret that would be found by chance is not accepted', async () => {
  await expect(searchSecrets({ short: 'abc' }, [])).rejects.toThrow(RangeError);
});
