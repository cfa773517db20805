import { existsSync } from 'node:fs';
import { docker, tryDocker, type DockerAnswer } from './docker.ts';
import { builtImage, type Progress } from './image.ts';

const BOOT_LIMIT_S = 60;

/** A Debian that was booted by systemd, in a container that ends with it. */
export class BootedSystem implements AsyncDisposable {
  readonly #id: string;

  private constructor(id: string) {
    this.#id = id;
  }

  /** Resolves when systemd has started everything; it can reach what is on `network`, where it may have a name. */
  static async boot(network: string, progress: Progress, name?: string): Promise<BootedSystem> {
    const image = await builtImage('passback-systemd', 'test/lab/systemd', progress);
    // As on a machine: a sandbox begins with mounts, and a user namespace of its own behind a /proc
    // that hides others is written by a helper that has to see the process.
    const rights = ['SYS_ADMIN', 'SYS_PTRACE'].flatMap((right) => ['--cap-add', right]);
    const open = ['--security-opt', 'apparmor=unconfined'];
    const places = ['/run', '/run/lock', '/tmp'].flatMap((path) => ['--tmpfs', `${path}:exec`]);
    const run = ['run', '--detach', '--label', 'org.testcontainers=true', '--network', network];
    const known = name === undefined ? [] : ['--network-alias', name];
    const id = await docker([
      ...run,
      ...known,
      ...rights,
      ...open,
      ...places,
      ...controlGroups(),
      image,
    ]);
    const system = new BootedSystem(id);
    // There is nobody to ask in the first moments.
    const wait = `until [ -S /run/systemd/private ]; do sleep 0.1; done; systemctl is-system-running --wait`;
    const state = await system.try(`timeout ${BOOT_LIMIT_S} bash -c '${wait}'`);
    if (!/running|degraded/.test(state.output)) {
      await system[Symbol.asyncDispose]();
      throw new Error(`systemd did not boot: ${state.output}`);
    }
    return system;
  }

  /** Runs a shell script as root; resolves with what it printed. Rejects when it fails. */
  run(script: string, input = ''): Promise<string> {
    return docker(['exec', '--interactive', this.#id, 'bash', '-euc', script], input);
  }

  /** The same, and its end is an answer. */
  try(script: string, input = ''): Promise<DockerAnswer> {
    return tryDocker(['exec', '--interactive', this.#id, 'bash', '-euc', script], input);
  }

  async copy(from: string, to: string): Promise<void> {
    await docker(['cp', from, `${this.#id}:${to}`]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await tryDocker(['rm', '--force', '--volumes', this.#id]);
  }
}

/** systemd before 258 still runs where the host has control groups of the first version, when it is told to. */
function controlGroups(): readonly string[] {
  const mount = ['--volume', '/sys/fs/cgroup:/sys/fs/cgroup:rw', '--env', 'container=docker'];
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return [...mount, '--cgroupns', 'host'];
  const legacy = 'SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 systemd.unified_cgroup_hierarchy=0';
  return [...mount, '--env', `SYSTEMD_PROC_CMDLINE=${legacy}`];
}
