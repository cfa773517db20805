import { Wait } from 'testcontainers';
import { freePort } from '../support/free-port.ts';
import { createTestCa } from '../support/test-ca.ts';
import { postgresImage, type Progress } from './image.ts';
import { LoopbackContainer } from './loopback-container.ts';

const PORT = 5432;
const START_LIMIT_MS = 60_000;

/** A PostgreSQL server as plain data, for another process. */
export interface PostgresDescription {
  readonly port: number;
  readonly containerId: string;
  /** PEM of the CA that signed its certificate, which is for localhost only. */
  readonly ca: string;
}

export interface RunningPostgres extends AsyncDisposable {
  readonly description: PostgresDescription;
}

/** Starts a PostgreSQL server in a container, with TLS. Resolves when it answers. */
export async function startPostgres(
  progress: Progress = () => undefined,
): Promise<RunningPostgres> {
  const image = await postgresImage(progress);
  const tls = await (await createTestCa()).issue(['localhost']);
  // Chosen here and not by the engine, which would choose anew each time the server is restarted.
  const port = await freePort();
  progress('Starting a PostgreSQL server');
  const container = await new LoopbackContainer(image)
    .withExposedPorts({ container: PORT, host: port })
    .withSharedMemorySize(256 * 1024 * 1024)
    .withCopyContentToContainer([
      { content: tls.cert, target: '/lab/cert.pem', mode: 0o644 },
      { content: tls.key, target: '/lab/key.pem', mode: 0o600 },
    ])
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/))
    .withStartupTimeout(START_LIMIT_MS)
    .start();
  return {
    description: { port, containerId: container.getId(), ca: tls.ca },
    [Symbol.asyncDispose]: async () => {
      await container.stop({ timeout: 1 });
    },
  };
}
