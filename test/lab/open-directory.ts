import {
  openActiveDirectory,
  type ActiveDirectoryOptions,
} from '../../src/agent/directory/active-directory.ts';
import type { Directory } from '../../src/agent/directory/directory.ts';
import { systemClock } from '../../src/support/clock.ts';
import { Secret } from '../../src/support/secret.ts';
import { MemoryLog } from '../support/memory-log.ts';
import type { Credentials, LabController } from './description.ts';
import type { Lab } from './lab.ts';

/** The agent's own adapter on the first controller, bound as the agent's account; the caller disposes of it. */
export function openLabDirectory(
  lab: Lab,
  options: Partial<ActiveDirectoryOptions> = {},
): Directory {
  return openActiveDirectory({
    domainControllers: [firstController(lab)],
    ca: [lab.ca],
    bind: bindAs(lab.serviceAccount),
    clock: systemClock,
    log: new MemoryLog(),
    ...options,
  });
}

/** How the adapter binds as one of the lab's accounts. */
export function bindAs({
  userPrincipalName: user,
  password,
}: Omit<Credentials, 'dn'>): ActiveDirectoryOptions['bind'] {
  return { user, password: async () => new Secret(password) };
}

/** Throws when there is none. */
export function firstController({ controllers: [first] }: Lab): LabController {
  if (first === undefined) throw new Error('the lab has no controller');
  return first;
}
