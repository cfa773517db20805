import { X509Certificate } from 'node:crypto';
import type { ConfigProblem } from '../../support/config-error.ts';
import { isOpenToAll } from '../../support/files.ts';
import { parseSecretFile } from '../../support/secret-file.ts';
import { SETTINGS, type FileKind } from './settings.ts';

/** Reads a file as text; rejects with Node's coded errors. */
export type ReadText = (path: string) => Promise<string>;

/** `service`: those on the way to the reset service. */
export type FilesOf = 'service' | 'nobody';

/** Looks into every file that a setting names. Never rejects, never quotes a file. */
export async function checkFiles(
  values: ReadonlyMap<string, unknown>,
  readText: ReadText,
  filesOf?: FilesOf,
): Promise<readonly ConfigProblem[]> {
  const checked = SETTINGS.map(async ({ key, file }) => {
    const path = values.get(key);
    if (file === undefined || typeof path !== 'string') return undefined;
    if (filesOf !== undefined && !key.startsWith(`${filesOf}.`)) return undefined;
    const problem = await fileProblem(path, file, readText);
    return problem === undefined ? undefined : { key, problem };
  });
  return (await Promise.all(checked)).filter((problem) => problem !== undefined);
}

async function fileProblem(
  path: string,
  kind: FileKind,
  readText: ReadText,
): Promise<string | undefined> {
  let text: string;
  try {
    text = await readText(path);
  } catch (error) {
    return unreadable(error, path, kind);
  }
  if (kind === 'certificates') {
    return holdsCertificate(text) ? undefined : `${path} holds no certificate in PEM form`;
  }
  if (await isOpenToAll(path)) return `every account can read ${path}: chmod o= it`;
  const content = parseSecretFile(text);
  if (content.type === 'damaged') {
    return `${path} is damaged: make it again with passback secret protect`;
  }
  // Only the account that runs the agent may be able to open it.
  if (content.type === 'protected') return undefined;
  const secret = content.text;
  const problem = secretProblem(path, secret);
  const isPair = kind === 'secret' || /^[^:]+:./.test(secret);
  return problem ?? (isPair ? undefined : `${path} does not hold user:password`);
}

function secretProblem(path: string, secret: string): string | undefined {
  if (secret === '') return `${path} is empty`;
  return /[\r\n]/.test(secret) ? `${path} has more than one line` : undefined;
}

function unreadable(error: unknown, path: string, kind: FileKind): string {
  const { code } = error as NodeJS.ErrnoException;
  // Where there is nothing of that name, it may be the secret itself.
  const isThere = code === 'EACCES' || code === 'EPERM' || code === 'EISDIR';
  const what = kind === 'certificates' || isThere ? path : 'the file it names';
  switch (code) {
    case 'ENOENT':
      return `${what} does not exist`;
    case 'EACCES':
    case 'EPERM':
      return `${what} may not be read by the account this runs as`;
    case 'EISDIR':
      return `${what} is a folder`;
    case undefined:
    default:
      return `${what} cannot be read (${code ?? 'unknown'})`;
  }
}

function holdsCertificate(text: string): boolean {
  try {
    new X509Certificate(text);
    return true;
  } catch {
    return false; // says no more than that
  }
}
