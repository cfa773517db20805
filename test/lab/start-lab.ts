import { Network, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { startController, type StartedController } from './controller.ts';
import type { Credentials, LabDescription, LabPerson } from './description.ts';
import { labImage, type Progress } from './image.ts';
import { connectLab, type Lab } from './lab.ts';
import { readIdentities } from './ldaps.ts';
import { findPartners, replicate } from './replication.ts';
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
  /** The second one joins the first, which takes about half a minute. Default is 1. */
  readonly controllers?: 1 | 2;
  /** Everybody a reset may be asked for. Default is the table. */
  readonly people?: readonly Account[];
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
  const people = options.people ?? PEOPLE;
  const image = await labImage(progress);
  const network = await new Network().start();
  const containers: StartedTestContainer[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopAll(containers, network));

  const start = async (name: string, join?: string): Promise<StartedController> => {
    const started = await startController({ name, image, network, join, people, containers });
    progress(
      `${name}.corp.test answers on ${started.controller.address}:${started.controller.port}`,
    );
    return started;
  };
  try {
    progress('Starting a domain controller');
    const first = await start('DC1');
    const all: [StartedController, ...StartedController[]] = [first];
    if (options.controllers === 2) {
      progress('Joining a second one (about half a minute)');
      all.push(await start('DC2', first.controller.internalAddress));
    }
    const controllers = all.map(({ controller }) => controller);
    if (controllers.length > 1) {
      await findPartners(controllers);
      // With the two that hold the DNS, where the second one has written its own entries.
      const dns = ['DomainDnsZones', 'ForestDnsZones'].map((name) => `DC=${name},${BASE_DN}`);
      await replicate(controllers, [BASE_DN, ...dns]);
    }
    const description = await describe(all, people, network.getName());
    return { ...connectLab(description), description, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function describe(
  all: readonly [StartedController, ...StartedController[]],
  people: readonly Account[],
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
  const identities = await readIdentities(domain, all[0].controller);
  const identified = (account: Account): LabPerson => {
    const identity = identities.get(account.sam);
    if (identity === undefined)
      throw new Error(`${account.sam} is not in the directory of the lab`);
    return { ...account, ...identity };
  };
  return {
    ...domain,
    serviceAccount: credentials(identified(AGENT_ACCOUNT)),
    bareAccount: credentials(identified(BARE_ACCOUNT)),
    people: people.map(identified),
  };
}

function credentials(account: LabPerson): Credentials {
  return { dn: account.dn, userPrincipalName: account.upn, password: account.password };
}

async function stopAll(
  containers: readonly StartedTestContainer[],
  network: StartedNetwork,
): Promise<void> {
  await Promise.all(containers.map((container) => container.stop({ timeout: 1 })));
  await network.stop();
}
