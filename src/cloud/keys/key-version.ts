import type { FolderSteps } from '../../support/folder-version.ts';

/** How the key folder has changed since version 1. The database keeps a version of its own. */
export const KEY_STEPS: FolderSteps = [];
