import { join } from 'node:path';
import { Wait, type StartedNetwork, type StartedTestContainer } from 'testcontainers';
import { freePort } from '../support/free-port.ts';
import type { LabController } from './description.ts';
import { docker } from './docker.ts';
import { repositoryRoot } from './image.ts';
import { LoopbackContainer } from './loopback-container.ts';
import { untilItAnswers } from './ldaps.ts';
import { accountTable, ADMINISTRATOR, BASE_DN, type Account } from './people.ts';

const START_LIMIT_MS = 120_000;
const LDAPS_PORT = 636;

export interface StartedController {
  readonly controller: LabController;
  readonly ca: string;
}

interface ControllerOptions {
  readonly name: string;
  readonly image: string;
  readonly network: StartedNetwork;
  /** The address of a controller whose domain this one joins; without one, it is the domain's first. */
  readonly join: string | undefined;
  readonly people: readonly Account[];
  /** Where the container is entered as soon as it exists, for whoever stops them all. */
  readonly containers: StartedTestContainer[];
}

/** Resolves when the new controller answers an administrator on LDAPS. */
export async function startController(options: ControllerOptions): Promise<StartedController> {
  const { name, network } = options;
  // Chosen here and not by the engine, which would choose anew each time the controller is restarted.
  const port = await freePort();
  const log: string[] = [];
  const container = await new LoopbackContainer(options.image)
    .withHostname(name)
    .withNetwork(network)
    .withExposedPorts({ container: LDAPS_PORT, host: port })
    .withEnvironment(options.join === undefined ? {} : { LAB_JOIN: options.join })
    .withCopyContentToContainer([
      { content: accountTable(options.people), target: '/lab/table.json' },
      // Read by `samba-tool domain join` alone.
      { content: credentialsFile(), target: '/lab/administrator', mode: 0o600 },
    ])
    .withCopyFilesToContainer(
      // What administrators run, so that the lab's own delegation is theirs.
      ['passback-delegation', 'access_lists.py'].map((name) => ({
        source: join(repositoryRoot(), 'service/delegation', name),
        target: `/lab/${name}`,
        mode: 0o755,
      })),
    )
    .withWaitStrategy(Wait.forLogMessage(/^samba version .* started/))
    .withStartupTimeout(START_LIMIT_MS)
    .withLogConsumer((stream) => stream.on('data', (line: Buffer) => log.push(line.toString())))
    .start()
    .catch((cause: unknown) => {
      throw new Error(`${name} did not start. Its log ends:\n${log.slice(-25).join('')}`, {
        cause,
      });
    });
  options.containers.push(container);

  const controller = {
    name: `${name}.corp.test`,
    address: '127.0.0.1',
    port,
    containerId: container.getId(),
    internalAddress: container.getIpAddress(network.getName()),
  };
  const certificate = '/var/lib/samba/private/tls/ca.pem';
  const wait = `until [ -s ${certificate} ]; do sleep 0.1; done; cat ${certificate}`;
  const ca = `${await docker(['exec', controller.containerId, 'sh', '-c', wait])}\n`;
  const domain = { baseDn: BASE_DN, ca, administrator: ADMINISTRATOR };
  await untilItAnswers(domain, controller, START_LIMIT_MS);
  return { controller, ca };
}

function credentialsFile(): string {
  return `username = Administrator\npassword = ${ADMINISTRATOR.password}\ndomain = CORP\n`;
}
