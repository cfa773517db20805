import { Client, escapeFilter, type Entry } from 'ldapts';
import type { LabController, LabDescription } from './description.ts';

type Domain = Pick<LabDescription, 'baseDn' | 'ca' | 'administrator'>;

/** A client, not yet bound, that talks to this controller only, and only if its certificate has its name. */
export function ldapsClient(controller: LabController, ca: string): Client {
  return new Client({
    url: `ldaps://${controller.address}:${controller.port}`,
    timeout: 10_000,
    connectTimeout: 5_000,
    tlsOptions: { ca, servername: controller.name },
  });
}

/** Lends a client bound as administrator; it is closed when `use` settles. */
export async function asAdministrator<T>(
  lab: Domain,
  controller: LabController,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = ldapsClient(controller, lab.ca);
  try {
    await client.bind(lab.administrator.dn, lab.administrator.password);
    return await use(client);
  } finally {
    await client.unbind();
  }
}

/** One account as the administrator sees it. Rejects when there is none. */
export async function readAccount(
  lab: Domain,
  controller: LabController,
  wanted: { readonly sam: string; readonly text?: string; readonly binary?: string },
): Promise<Entry> {
  const attributes = [wanted.text, wanted.binary].filter((name) => name !== undefined);
  const found = await asAdministrator(lab, controller, (client) =>
    client.search(lab.baseDn, {
      filter: escapeFilter`(&(objectClass=user)(sAMAccountName=${wanted.sam}))`,
      attributes,
      explicitBufferAttributes: wanted.binary === undefined ? [] : [wanted.binary],
    }),
  );
  const [entry] = found.searchEntries;
  if (entry === undefined) throw new Error(`${wanted.sam} is not in the directory of the lab`);
  return entry;
}

export interface Identity {
  readonly dn: string;
  /** In lower-case text form. */
  readonly objectGuid: string;
}

/** Everybody's place and objectGUID, by sAMAccountName. */
export async function readIdentities(
  lab: Domain,
  controller: LabController,
): Promise<ReadonlyMap<string, Identity>> {
  const found = await asAdministrator(lab, controller, (client) =>
    client.search(lab.baseDn, {
      filter: '(objectClass=user)',
      attributes: ['sAMAccountName', 'objectGUID'],
      explicitBufferAttributes: ['objectGUID'],
    }),
  );
  const identities = new Map<string, Identity>();
  for (const { dn, sAMAccountName, objectGUID } of found.searchEntries) {
    if (typeof sAMAccountName !== 'string' || !Buffer.isBuffer(objectGUID)) continue;
    identities.set(sAMAccountName, { dn, objectGuid: guidText(objectGUID) });
  }
  return identities;
}

// The first three groups are little-endian numbers ([MS-DTYP] 2.3.4.2), the others are bytes in order.
function guidText(guid: Buffer): string {
  const bytes = Buffer.from(guid);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** A 64-bit value as a decimal string; one that was never written counts as '0', as it does for AD. */
export async function readNumber(
  lab: Domain,
  controller: LabController,
  wanted: { readonly sam: string; readonly text: string },
): Promise<string> {
  const value = (await readAccount(lab, controller, wanted))[wanted.text];
  return typeof value === 'string' ? value : '0';
}

const UNICODE_PWD = 0x9_005a;

/** How often this controller's replica has seen the password written, since the account was made. */
export async function readPasswordVersion(
  lab: Domain,
  controller: LabController,
  sam: string,
): Promise<number> {
  const attribute = 'replPropertyMetaData';
  const blob = (await readAccount(lab, controller, { sam, binary: attribute }))[attribute];
  if (!Buffer.isBuffer(blob)) throw new Error(`${attribute} of ${sam} cannot be read`);
  return passwordVersionIn(blob);
}

/** What tells how often a password was written and whether the account is locked. */
export interface PasswordState {
  readonly version: number;
  readonly locked: boolean;
}

/** Everybody's, by sAMAccountName, with one question. */
export async function readPasswordStates(
  lab: Domain,
  controller: LabController,
): Promise<ReadonlyMap<string, PasswordState>> {
  const attribute = 'replPropertyMetaData';
  const found = await asAdministrator(lab, controller, (client) =>
    client.search(lab.baseDn, {
      filter: '(objectClass=user)',
      attributes: ['sAMAccountName', 'lockoutTime', attribute],
      explicitBufferAttributes: [attribute],
    }),
  );
  const states = new Map<string, PasswordState>();
  for (const { sAMAccountName, lockoutTime, [attribute]: blob } of found.searchEntries) {
    if (typeof sAMAccountName !== 'string' || !Buffer.isBuffer(blob)) continue;
    const locked = typeof lockoutTime === 'string' && lockoutTime !== '0';
    states.set(sAMAccountName, { version: passwordVersionIn(blob), locked });
  }
  return states;
}

function passwordVersionIn(blob: Buffer): number {
  // replPropertyMetaDataBlob of Samba's drsblobs.idl: count at 8, entries of 48 bytes from 16.
  const entries = blob.readUInt32LE(8);
  for (let at = 16; at < 16 + entries * 48; at += 48) {
    if (blob.readUInt32LE(at) === UNICODE_PWD) return blob.readUInt32LE(at + 4);
  }
  return 0;
}

/** Resolves when this controller answers an administrator; rejects after `limitMs`. */
export async function untilItAnswers(
  lab: Domain,
  controller: LabController,
  limitMs: number,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    try {
      await readAccount(lab, controller, { sam: 'Administrator' });
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new Error(`${controller.name} does not answer after ${limitMs} ms`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
