import { newestVersion, type FolderSteps } from '../../support/folder-version.ts';

/**
 * How the state folder has changed since version 1: every file in it counts, the journal, the local
 * orders and the breaker, too. A member more in one of them is a new version, because an older agent
 * would not read it.
 */
export const STATE_STEPS: FolderSteps = [];

export const STATE_VERSION: number = newestVersion(STATE_STEPS);
