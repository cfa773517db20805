import { join } from 'node:path';
import { UsageError } from '../../support/usage-error.ts';
import {
  accessList,
  ADMINISTRATORS,
  SYSTEM,
  type Access,
} from '../../support/windows/access-list.ts';
import type { HeldFile } from '../../support/windows/file-security.ts';
import { ERROR, WindowsError } from '../../support/windows/windows-error.ts';

/** What closing a folder needs of the machine. */
export interface ClosableFiles {
  /** Makes a folder and those above it, unless they are there. */
  make(folder: string): Promise<void>;
  namesIn(folder: string): Promise<readonly string[]>;
  /** Undefined when there is nothing of this name. */
  hold<T>(path: string, use: (file: HeldFile) => T): T | undefined;
  /** Whether a file holds what `passback secret protect` writes. */
  isProtectedSecret(file: string): boolean;
}

export interface Closing {
  readonly folder: string;
  /** SID of the account that the service runs as. */
  readonly service: string;
  /** What it may do in the folder. */
  readonly access: 'enter' | 'modify';
  /** Who may own the folder besides the system and administrators: whoever installs. */
  readonly installer: string;
  /** Who may also own what is in it: accounts that the service has or had. */
  readonly writers: readonly string[];
  /** A folder right in it that is closed by itself. */
  readonly apart?: string;
}

/** S-1-5-18 and S-1-5-32-544, as SDDL has letters for them. */
const TRUSTED: readonly string[] = ['S-1-5-18', 'S-1-5-32-544'];

/**
 * Makes a folder, or takes one that is there, so that it and all that is in it belongs to administrators
 * and lets in nobody but them, the system and the service. The lists of protected secrets stay: they may be
 * for another account. Throws `UsageError` for links, and for what belongs to an account that has no part in this:
 * whoever owns something can open it again, and it is not known what it is for.
 */
export async function closeFolder(files: ClosableFiles, closing: Closing): Promise<void> {
  const { folder } = closing;
  if (closeOne(files, closing, folder) === undefined) {
    await files.make(folder);
    // Looked at like any other: somebody may have been faster.
    closeOne(files, closing, folder);
  }
  await closeContent(files, closing, folder);
}

/** From the outside in: what is closed already keeps others from changing what comes next. */
async function closeContent(files: ClosableFiles, closing: Closing, folder: string): Promise<void> {
  for (const name of await files.namesIn(folder)) {
    const path = join(folder, name);
    if (path === closing.apart) continue;
    if (closeOne(files, closing, path) === 'folder') await closeContent(files, closing, path);
  }
}

/** Answers what it is; undefined when it is not there, or no longer. */
function closeOne(
  files: ClosableFiles,
  closing: Closing,
  path: string,
): HeldFile['kind'] | undefined {
  try {
    return files.hold(path, (held) => {
      refuse(path, held, closing);
      const keepsList = held.hasOwnList && held.kind === 'file' && files.isProtectedSecret(path);
      held.secure({
        owner: ADMINISTRATORS,
        ...(!keepsList && { list: listOf(held.kind, closing) }),
      });
      return held.kind;
    });
  } catch (error) {
    if (!(error instanceof WindowsError) || error.number !== ERROR.accessDenied) throw error;
    throw new UsageError(
      `${path} keeps administrators out, or this PowerShell was not opened with “Run as administrator”: ` +
        `if it was, look into who owns it, then delete it, or keep it with icacls "${path}" /setowner "*S-1-5-32-544" ` +
        `and icacls "${path}" /reset; then install again`,
      { cause: error },
    );
  }
}

function refuse(path: string, { kind, names, owner }: HeldFile, closing: Closing): void {
  const { folder, installer, writers } = closing;
  if (kind === 'link') {
    throw new UsageError(
      `${path} is a link, and what it leads to would be taken over: remove the link, then install again`,
    );
  }
  if (kind === 'file' && path === folder) {
    throw new UsageError(
      `${path} is a file, and a folder is expected: move it away, then install again`,
    );
  }
  if (kind === 'file' && names > 1) {
    throw new UsageError(
      `${path} is also a file elsewhere (a hard link), which would be taken over with it: delete it here, then install again`,
    );
  }
  const owners = [...TRUSTED, installer, ...(path === folder ? [] : writers)];
  if (owners.includes(owner)) return;
  const deep = kind === 'folder' ? ' /T /L' : '';
  throw new UsageError(
    `${path} belongs to ${owner === '' ? 'nobody' : owner}, and an owner can open it again whatever is done to it: ` +
      `look into it, then delete it, or keep it with icacls "${path}" /setowner "*S-1-5-32-544"${deep}; then install again`,
  );
}

function listOf(kind: HeldFile['kind'], { service, access }: Closing): string {
  const fileAccess: Access = access === 'enter' ? 'read' : access;
  return accessList(kind === 'folder' ? 'folder' : 'file', [
    { who: SYSTEM, access: 'full' },
    { who: ADMINISTRATORS, access: 'full' },
    { who: service, access: kind === 'folder' ? access : fileAccess },
  ]);
}
