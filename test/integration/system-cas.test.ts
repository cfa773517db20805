import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { expect, test } from 'vitest';
import { systemCas } from '../../src/support/system-cas.ts';
import { tlsTrust } from '../../src/support/tls-trust.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createTestCa } from '../support/test-ca.ts';

/** Where newer Nodes read the store of the system themselves, no bundle is looked for. */
const readsBundles = process.versions.node.startsWith('20.');

test.runIf(readsBundles)(
  'of the bundle of the system come the CAs that Node does not know, and nothing that is none',
  async () => {
    await using folder = await temporaryFolder();
    const [company, other] = [await createTestCa('Company CA'), await createTestCa('Other CA')];
    const path = join(folder.path, 'bundle.crt');
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    const wellKnown = rootCertificates[0]?.replaceAll('\n', '\r\n') ?? '';
    const text = ['# Company CA', company.ca, wellKnown, broken, other.ca, company.ca].join('\n');
    await writeFile(path, text);
    const found = await systemCas([join(folder.path, 'none'), path]);
    expect(found.map((pem) => pem.trim())).toEqual([company.ca.trim(), other.ca.trim()]);
    expect(() => tlsTrust(...found)).not.toThrow();
  },
);

test.runIf(readsBundles)('a machine without a bundle has none of its own', async () => {
  expect(await systemCas(['/nonexistent'])).toEqual([]);
});
