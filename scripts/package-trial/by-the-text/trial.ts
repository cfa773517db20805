import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BootedSystem } from '../../../test/lab/booted-system.ts';
import type { Lab } from '../../../test/lab/lab.ts';
import type { Steps } from '../steps.ts';
import { Hosts } from './hosts.ts';
import { followLinuxPage } from './linux-page.ts';
import { followReadme } from './readme.ts';

interface Parts {
  readonly root: string;
  readonly lab: Lab;
  readonly steps: Steps;
  readonly progress: (line: string) => void;
  /** Packages on this machine. */
  readonly debs: Readonly<Record<'agent' | 'service', string>>;
}

/** Does what README and LINUX.md say, as somebody who has nothing else; each begins with clean machines. */
export async function tryTexts({ root, lab, steps, progress, debs }: Parts): Promise<void> {
  const [readme = '', page = ''] = await Promise.all(
    ['README.md', 'service/LINUX.md'].map((path) => readFile(join(root, path), 'utf8')),
  );
  for (const [follow, text] of [
    [followReadme, readme],
    [followLinuxPage, page],
  ] as const) {
    progress('Booting two clean machines');
    await using hosts = await Hosts.boot(lab.network, progress);
    await bring(hosts.service, debs.service);
    await bring(hosts.agent, debs.agent);
    await follow({ lab, steps, hosts }, text);
  }
}

/** Downloaded, so to say, into the folder where the administrator is. */
async function bring(system: BootedSystem, deb: string): Promise<void> {
  await system.copy(deb, `/root/${basename(deb)}`);
}
