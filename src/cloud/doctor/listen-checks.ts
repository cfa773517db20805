import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { timestamp } from '../../protocol/shapes.ts';
import { bindFailure } from '../../support/bind-failure.ts';
import {
  failed,
  passed,
  skipped,
  warned,
  type CheckResult,
  type Finding,
} from '../../support/checks.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { dataFolder } from '../data-folder.ts';
import { expiryStanding } from '../health/expiry.ts';
import { lockForServing } from '../setup/serve-lock.ts';
import { SetupError } from '../setup/setup-error.ts';
import { isCertificateFor, lifeOf, readTlsPair } from '../tls-pair.ts';
import { result } from './check-list.ts';

/** Looks at what the service listens with: its certificate, and its ports. */
export async function lookAtListening(
  config: CloudConfig,
  now: number,
): Promise<readonly CheckResult[]> {
  const results = [result('listen.certificate', await lookAtCertificate(config, now))];
  for (const group of ['listen', 'health'] as const) {
    const setting = `${group}.port`;
    results.push(result('listen.port', await lookAtPort(group, config), setting));
  }
  return results;
}

async function lookAtCertificate({ listen, url }: CloudConfig, now: number): Promise<Finding> {
  const { certificateFile, keyFile } = listen;
  if (certificateFile === undefined || keyFile === undefined) {
    return skipped('plain HTTP on the loopback interface: the reverse proxy has the certificate');
  }
  const read = await readTlsPair({ certificateFile, keyFile });
  if ('problems' in read) {
    const found = read.problems.map(({ problem }) => problem).join('; ');
    return failed(found, 'Correct listen.certificateFile and listen.keyFile.');
  }
  if (!isCertificateFor(read.pair, url)) {
    const { hostname } = new URL(url);
    return failed(`it is not for ${hostname}, which agents dial`, `Get one for ${hostname}.`);
  }
  const life = lifeOf(read.pair);
  const date = timestamp(life.expiresAt).slice(0, 10);
  const renew = `Renew it in ${certificateFile}; a running service takes it within a minute.`;
  const standing = expiryStanding(life, now);
  if (standing === 'ended') return failed(`it ended on ${date}`, renew);
  return standing === 'good' ? passed(`until ${date}`) : warned(`it ends on ${date}`, renew);
}

async function lookAtPort(group: 'listen' | 'health', config: CloudConfig): Promise<Finding> {
  const { host, port } = config[group];
  const code = port === 0 ? undefined : await bindFailure(host, port);
  if (code === undefined) return passed(`${host} port ${port} can be opened`);
  if (code === 'EADDRINUSE') {
    return (await isServing(config))
      ? passed(`${host} port ${port} is open: the service is running`)
      : failed(
          `${host} port ${port} is in use, and the service of this data folder is not running`,
          `Stop what uses it, or choose another ${group}.port.`,
        );
  }
  const cure =
    code === 'EACCES'
      ? 'Ports below 1024 need CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=), or choose another one.'
      : `Look at ${group}.host: it has to be an address of this machine.`;
  return failed(`${host} port ${port} cannot be opened (${code})`, cure);
}

/** Whether the service of this data folder runs: with SQLite its lock says so, else its health port. */
async function isServing({ dataFolder: data, database, health }: CloudConfig): Promise<boolean> {
  if (database !== undefined) return answersAt(health);
  const { lock } = dataFolder(data);
  if (!existsSync(lock)) return false; // looking would make it
  try {
    lockForServing(lock)[Symbol.dispose]();
    return false;
  } catch (error) {
    if (error instanceof SetupError) return true;
    throw error;
  }
}

function answersAt({ host, port }: CloudConfig['health']): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host, port, path: '/livez', timeout: 3_000 }, (response) => {
      response.resume();
      resolve(response.statusCode !== undefined); // also when it says that it does not get on
    });
    asked.once('timeout', () => asked.destroy(new Error('silent')));
    asked.once('error', () => {
      resolve(false);
    });
    asked.end();
  });
}
