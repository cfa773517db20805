import { Network, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { startController, type StartedController } from './controller.ts';
import type { Credentials, LabDescription } from './description.ts';
import { labImage, type Progress } from './image.ts';
import { connectLab, type Lab } from './lab.ts';
import { readIdentity } from './ldaps.ts';
import {
  ADMINISTRATOR,
  AGENT_ACCOUNT,
  BARE_ACCOUNT,
  BASE_DN,
  PEOPLE,
  PEOPLE_OU,
  type Account,
} from './people.ts';

export interface LabOptions {
  /** The second one takes about half a minute longer. Default is 1. */
  readonly controllers?: 1 | 2;
  /** Hears of what takes longer than a moment. */
  readonly progress?: Progress;
}

export interface RunningLab extends Lab, AsyncDisposable {
  /** The same as plain data, for `connectLab` in another process. */
  readonly description: LabDescription;
  /** Removes every container and the network. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a domain of one or two controllers. Resolves when each of them answers on LDAPS and knows
 * everybody in the table; when it rejects, nothing is left running.
 */
export async function startLab(options: LabOptions = {}): Promise<RunningLab> {
  const progress = options.progress ?? (() => undefined);
  const image = await labImage(progress);
  const network = await new Network().start();
  const containers: StartedTestContainer[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopAll(containers, network));

  const start = async (name: string, join?: string): Promise<StartedController> => {
    const started = await startController({ name, image, network, join, containers });
    progress(
      `${name}.corp.test answers on ${started.controller.address}:${started.controller.port}`,
    );
    return started;
  };
  try {
    progress('Starting a domain controller');
    const all = [await start('DC1')];
    if (options.controllers === 2) {
      progress('Joining a second one (about half a minute)');
      all.push(await start('DC2', all[0]?.controller.internalAddress));
    }
    const description = await describe(all, network.getName());
    return { ...connectLab(description), description, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function describe(
  all: readonly StartedController[],
  network: string,
): Promise<LabDescription> {
  const domain = {
    domain: 'corp.test',
    netbios: 'CORP',
    realm: 'CORP.TEST',
    baseDn: BASE_DN,
    delegatedOu: PEOPLE_OU,
    controllers: all.map(({ controller }) => controller),
    ca: all.map(({ ca }) => ca).join(''),
    network,
    administrator: ADMINISTRATOR,
  };
  const identify = async <T extends Account>(account: T) => ({
    ...account,
    ...(await readIdentity(domain, account.sam)),
  });
  const people = [];
  for (const account of PEOPLE) people.push(await identify(account));
  return {
    ...domain,
    serviceAccount: credentials(await identify(AGENT_ACCOUNT)),
    bareAccount: credentials(await identify(BARE_ACCOUNT)),
    people,
  };
}

function credentials(account: Account & { readonly dn: string }): Credentials {
  return { dn: account.dn, userPrincipalName: account.upn, password: account.password };
}

async function stopAll(
  containers: readonly StartedTestContainer[],
  network: StartedNetwork,
): Promise<void> {
  await Promise.all(containers.map((container) => container.stop({ timeout: 1 })));
  await network.stop();
}
