import { readFile } from 'node:fs/promises';
import { readSecretFile } from '../support/secret-file.ts';
import { openActiveDirectory } from './directory/active-directory.ts';
import type { Directory } from './directory/directory.ts';
import type { Parts } from './parts.ts';

/** The Active Directory that the configuration names. Rejects when its CA file cannot be read. */
export async function openConfigured({
  config,
  log,
  clock,
}: Pick<Parts, 'config' | 'log' | 'clock'>): Promise<Directory> {
  const { domain, domainControllers, site, caFile, pinnedKeys, bind } = config.directory;
  const [first, ...others] = domainControllers ?? [];
  const found = { domain, ...(site !== undefined && { site }) };
  return openActiveDirectory({
    domainControllers: first === undefined ? found : [first, ...others],
    ...(caFile !== undefined && { ca: [await readFile(caFile, 'utf8')] }),
    pinnedKeys,
    bind: { user: bind.user, password: () => readSecretFile(bind.passwordFile) },
    connections: config.concurrency,
    clock,
    log,
  });
}
