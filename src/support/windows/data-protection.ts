import type { Native, Pointer } from './native.ts';

/**
 * Who can open what was protected. `user`: only the account that protected it, on this machine.
 * `machine`: every program of this machine that can read the file, so its access list is what counts.
 */
export type ProtectionScope = 'user' | 'machine';

/** CRYPTPROTECT_UI_FORBIDDEN: a service has nobody to ask. CRYPTPROTECT_LOCAL_MACHINE. */
const NO_PROMPT = 0x1;
const LOCAL_MACHINE = 0x4;

/** No secret: it keeps blobs of other programs from being taken for ours. */
const ENTROPY = Buffer.from('passback secret file 1', 'utf8');

interface Blob {
  readonly cbData: number;
  readonly pbData: Buffer | Pointer;
}

interface Crypt {
  readonly CryptProtectData: Transform<string>;
  readonly CryptUnprotectData: Transform<null>;
}

type Transform<D> = (
  input: Blob,
  description: D,
  entropy: Blob,
  reserved: null,
  prompt: null,
  flags: number,
  output: { cbData?: number; pbData?: Pointer },
) => number;

/** Protects by DPAPI. Throws `WindowsError`. */
export function protect(native: Native, plain: Buffer, scope: ProtectionScope): Buffer {
  const flags = NO_PROMPT | (scope === 'machine' ? LOCAL_MACHINE : 0);
  const output: { cbData?: number; pbData?: Pointer } = {};
  const { CryptProtectData } = bind(native);
  if (CryptProtectData(blob(plain), 'Passback', blob(ENTROPY), null, null, flags, output) === 0) {
    throw native.failure('the secret cannot be protected');
  }
  return native.take(output.pbData ?? null, output.cbData ?? 0);
}

/** Opens what `protect` gave, in either scope. Throws `WindowsError`: of another account or machine, or changed. */
export function unprotect(native: Native, sealed: Buffer): Buffer {
  const output: { cbData?: number; pbData?: Pointer } = {};
  const { CryptUnprotectData } = bind(native);
  if (CryptUnprotectData(blob(sealed), null, blob(ENTROPY), null, null, NO_PROMPT, output) === 0) {
    throw native.failure('the protected secret cannot be opened');
  }
  return native.take(output.pbData ?? null, output.cbData ?? 0);
}

function blob(bytes: Buffer): Blob {
  return { cbData: bytes.length, pbData: bytes };
}

function bind(native: Native): Crypt {
  native.struct('DATA_BLOB', { cbData: 'uint32', pbData: 'void *' });
  const parameters = (description: string): string =>
    `DATA_BLOB *input, ${description}, DATA_BLOB *entropy, void *reserved, void *prompt, uint32 flags, _Out_ DATA_BLOB *output`;
  return native.bind<Crypt>('crypt32.dll', {
    CryptProtectData: `int CryptProtectData(${parameters('str16 description')})`,
    CryptUnprotectData: `int CryptUnprotectData(${parameters('void *description')})`,
  });
}
