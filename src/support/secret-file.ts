import { readFile } from 'node:fs/promises';
import { Secret } from './secret.ts';
import type { ProtectionScope } from './windows/data-protection.ts';

/**
 * The first line of a secret that Windows protects (DPAPI); what follows is base64. Only the machine
 * that wrote it can open it, with `user` only the account that did.
 */
const HEADER = /^passback-dpapi-1 (user|machine)\r?\n/;

/** What a file of a secret holds: the secret itself, or what only Windows can open. */
export type SecretText =
  | { readonly type: 'plain'; readonly text: string }
  | { readonly type: 'protected'; readonly scope: ProtectionScope; readonly sealed: Buffer }
  | { readonly type: 'damaged' };

/** Tells apart what may stand in the file of a secret. The line's end is no part of a plain one. */
export function parseSecretFile(content: string): SecretText {
  const [header = '', scope] = HEADER.exec(content) ?? [];
  if (header === '') return { type: 'plain', text: content.replace(/\r?\n$/, '') };
  const body = content.slice(header.length).replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]{4,}={0,2}$/.test(body)) return { type: 'damaged' };
  const sealed = Buffer.from(body, 'base64');
  return { type: 'protected', scope: scope === 'user' ? 'user' : 'machine', sealed };
}

/** The content of a protected secret's file. */
export function protectedSecretFile(scope: ProtectionScope, sealed: Buffer): string {
  const lines = sealed.toString('base64').match(/.{1,76}/g) ?? [];
  return `passback-dpapi-1 ${scope}\n${lines.join('\n')}\n`;
}

/**
 * The secret in a file, plain or protected. Rejects with Node's coded errors of the file, and with
 * `WindowsError` for what this account or machine cannot open.
 */
export async function readSecretFile(path: string): Promise<Secret> {
  const content = parseSecretFile(await readFile(path, 'utf8'));
  if (content.type === 'plain') return new Secret(content.text);
  // Only here, so that a machine without protected secrets loads nothing of Windows.
  const [{ loadNative }, { unprotect }, { WindowsError }] = await Promise.all([
    import('./windows/native.ts'),
    import('./windows/data-protection.ts'),
    import('./windows/windows-error.ts'),
  ]);
  if (content.type === 'damaged') {
    throw new WindowsError(`${path} is damaged: make it again with passback secret protect`);
  }
  if (process.platform !== 'win32') {
    throw new WindowsError(`${path} was protected by Windows and can be opened only there`);
  }
  try {
    const plain = unprotect(await loadNative(), content.sealed);
    const secret = new Secret(plain.toString('utf8'));
    plain.fill(0);
    return secret;
  } catch (cause) {
    if (!(cause instanceof WindowsError)) throw cause;
    throw new WindowsError(
      `${path} cannot be opened by this account on this machine: make it again here with passback secret protect`,
      cause.number,
      { cause },
    );
  }
}
