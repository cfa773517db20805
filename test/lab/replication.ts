import type { LabController } from './description.ts';
import { docker, tryDocker } from './docker.ts';

const DRS = ['samba-tool', 'drs'] as const;
const AS_MACHINE = '--machine-pass';
const PULL_ATTEMPTS = 3;
const PARTNERS_LIMIT_MS = 60_000;

/**
 * Makes every controller fetch these partitions from every other one. Resolves when each has; of what is
 * written, replication by itself follows in some five seconds.
 */
export async function replicate(
  controllers: readonly LabController[],
  partitions: readonly string[],
): Promise<void> {
  for (const to of controllers) {
    for (const from of controllers.filter((other) => other !== to)) {
      for (const partition of partitions) {
        await pull(to, from, partition);
      }
    }
  }
}

async function pull(to: LabController, from: LabController, partition: string): Promise<void> {
  const what = ['replicate', hostName(to), hostName(from), partition, AS_MACHINE];
  const command = ['exec', to.containerId, ...DRS, ...what];
  // The first attempt after a restart goes to a connection that the restart has broken.
  for (let attempt = 1; attempt < PULL_ATTEMPTS; attempt++) {
    if ((await tryDocker(command)).exitCode === 0) return;
  }
  await docker(command);
}

/** Resolves when each controller knows whom it replicates with: by itself it would see to that in five minutes. */
export async function findPartners(controllers: readonly LabController[]): Promise<void> {
  for (const controller of controllers) await findPartnersOf(controller);
}

async function findPartnersOf(controller: LabController): Promise<void> {
  const deadline = Date.now() + PARTNERS_LIMIT_MS;
  do {
    // A controller whose own round is under way just then says that it is busy.
    await tryDocker([
      'exec',
      controller.containerId,
      ...DRS,
      'kcc',
      hostName(controller),
      AS_MACHINE,
    ]);
    const known = ['exec', controller.containerId, ...DRS, 'showrepl', '--json', AS_MACHINE];
    if (hasPartner(await docker(known))) return;
  } while (Date.now() < deadline);
  throw new Error(`${controller.name} has no partner to replicate with`);
}

function hasPartner(report: string): boolean {
  const parsed: unknown = JSON.parse(report);
  return (
    typeof parsed === 'object' &&
    parsed !== null &&
    'repsFrom' in parsed &&
    Array.isArray(parsed.repsFrom) &&
    parsed.repsFrom.length > 0
  );
}

function hostName({ name }: LabController): string {
  return name.replace(/\..*/, '');
}
