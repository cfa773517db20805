import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';

/** What compose.yaml says of the reset service's container. */
interface Composed {
  readonly services: {
    readonly 'passback-cloud': {
      readonly read_only: boolean;
      readonly cap_drop: readonly string[];
      readonly security_opt: readonly string[];
      readonly stop_grace_period: string;
      readonly ulimits: Readonly<Record<string, number>>;
      readonly volumes: readonly string[];
    };
  };
}

/**
 * The same for `docker run`, so that what is tried is what compose.yaml says; but for the number of open
 * files, which an engine that itself runs in a container may not raise.
 */
export async function asComposed(
  root: string,
): Promise<{ readonly flags: readonly string[]; readonly stopS: number }> {
  const text = await readFile(join(root, 'service/container/compose.yaml'), 'utf8');
  const service = (parse(text) as Composed).services['passback-cloud'];
  const flags = [
    ...(service.read_only ? ['--read-only'] : []),
    ...service.cap_drop.flatMap((name) => ['--cap-drop', name]),
    ...service.security_opt.flatMap((option) => ['--security-opt', option]),
    ...Object.entries(service.ulimits)
      .filter(([name]) => name !== 'nofile')
      .flatMap(([name, n]) => ['--ulimit', `${name}=${n}`]),
  ];
  return { flags, stopS: Number.parseInt(service.stop_grace_period, 10) };
}

/** The flags that LINUX.md gives the agent's container. */
export async function asDocumented(
  root: string,
): Promise<{ readonly flags: readonly string[]; readonly stopS: number }> {
  const text = await readFile(join(root, 'service/LINUX.md'), 'utf8');
  const [, stop = ''] = /docker run -d --name passback .*--stop-timeout (\d+)/.exec(text) ?? [];
  const [, flags = ''] = /^ +(--read-only .*?) *\\$/m.exec(text) ?? [];
  if (stop === '' || flags === '') throw new Error('LINUX.md has no docker run for the agent');
  return { flags: flags.split(' '), stopS: Number(stop) };
}
