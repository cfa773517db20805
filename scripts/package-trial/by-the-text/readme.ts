import { agentConfig } from '../agent-config.ts';
import { expect } from '../steps.ts';
import { blocksOf, commandsOf, type Block } from './blocks.ts';
import { leaveRunning, type, type Host, type Running } from './host.ts';
import { Operating } from './operating.ts';
import type { TextTrial } from './text-trial.ts';

const SECTION = 'Install it on a server';
const PASSWORD = 'Typed-As-The-Readme-Says-1';

/** Who sits where a step begins with these words: the key is kept where the service is. */
const PLACES: Readonly<Record<string, 'service' | 'agent'>> = {
  "On the service's host": 'service',
  "On the agent's host": 'agent',
  'Where `admin.key` is': 'service',
};

/** What goes on until it is told to end, and what it logs when it works. */
const LONG_RUNNING: readonly (readonly [RegExp, string])[] = [
  [/^passback-cloud serve /, 'cloud.started'],
  [/^passback run /, 'agent.started'],
];

/**
 * Types every block of README's installation where its step says, word by word but for the names that
 * are somebody's own, in the order of the text. A block whose place is not known is wrong, and so is
 * every command that does not end with 0.
 */
export async function followReadme(trial: TextTrial, readme: string): Promise<void> {
  const { steps, lab } = trial;
  const story = new Story(trial);
  const blocks = blocksOf(readme).filter(({ section }) => section === SECTION);
  if (!(await steps.step('README: two clean machines, a program on each', () => story.prepare())))
    return;
  for (const block of blocks) {
    const what = commandsOf(block).map((command) => command.split(' ', 2).join(' '));
    const name = `README, ${block.where}: ${what.join(', ')}`;
    if (!(await steps.step(name, () => story.follow(block)))) return;
  }
  await steps.step('README: Kerberos takes the new password', async () => {
    expect(await lab.kinit('anna', PASSWORD), 'ok', 'kinit');
  });
  const operating = story.operate(readme, blocks);
  await steps.step('README, Operating: the commands of the agent', () => operating.agent());
  await steps.step('README, Operating: those of the service', () => operating.service());
  await steps.step('README, Operating: what both ports answer', () => operating.ports());
  await steps.step('README, Operating: both end with 0, and status says so', async () => {
    await story.end('agent');
    await operating.withoutAgent();
    await story.end('service');
  });
}

class Story {
  readonly #trial: TextTrial;
  readonly #hosts: Readonly<Record<'service' | 'agent', Host>>;
  readonly #running: Partial<Record<'service' | 'agent', Running>> = {};
  /** As `enroll` printed them. */
  #enrolled = { id: 'AGENT-ID', fingerprint: 'FINGERPRINT' };

  constructor(trial: TextTrial) {
    this.#trial = trial;
    const { service, agent } = trial.hosts;
    this.#hosts = {
      service: { system: service, account: 'passback-cloud', folder: '/srv/admin' },
      agent: { system: agent, account: 'passback', folder: '/srv/admin' },
    };
  }

  /** What the steps take for granted: the programs, a certificate, and step 2 with the filled in configuration of step 3. */
  async prepare(): Promise<void> {
    const { hosts, lab } = this.#trial;
    const { service, agent } = this.#hosts;
    for (const { system, account, folder } of [service, agent]) {
      await system.run('dpkg --install /root/*.deb'); // it leaves open how
      await system.run(`install -d -m 700 -o ${account} -g ${account} ${folder}`);
    }
    const { cert, key, ca } = hosts.certificate;
    await put(service, 'fullchain.pem', cert);
    await put(service, 'privkey.pem', key);
    await put(service, 'service-ca.pem', ca);
    await put(agent, '/etc/passback/passback.yaml', agentConfig(lab));
    await put(agent, '/etc/passback/service-ca.pem', ca);
    await put(agent, '/etc/passback/corp-ca.pem', lab.ca);
    await put(agent, '/etc/passback/bind-password', lab.serviceAccount.password);
  }

  async follow(block: Block): Promise<void> {
    const place = PLACES[block.where];
    if (place === undefined) throw new Error(`who types this? “${block.where}”\n${block.script}`);
    const host = this.#hosts[place];
    const last = commandsOf(block).at(-1) ?? '';
    const [, started] = LONG_RUNNING.find(([command]) => command.test(last)) ?? [];
    const lines = started === undefined ? block.script : withoutLast(block);
    this.#learn(await type(host, this.#ownNames(lines), `${PASSWORD}\n`));
    if (started !== undefined) this.#running[place] = await leaveRunning(host, last, started);
    if (place === 'service' && lines.includes('./enroll.token')) await this.#carryToken();
  }

  async end(place: 'service' | 'agent'): Promise<void> {
    await this.#running[place]?.end();
  }

  /** With the flags that the last step keeps in `to`, as whoever has just typed that would. */
  operate(readme: string, blocks: readonly Block[]): Operating {
    const to = blocks.flatMap(commandsOf).find((command) => command.startsWith('to=('));
    if (to === undefined) throw new Error('no step keeps its flags in “to”');
    return new Operating(readme, { ...this.#hosts, to: this.#ownNames(to) });
  }

  #learn(printed: string): void {
    const [, id, fingerprint] =
      /^Enrolled as agent (\S+) .*\nFingerprint: (\S+)$/m.exec(printed) ?? [];
    if (id !== undefined && fingerprint !== undefined) this.#enrolled = { id, fingerprint };
  }

  /** The only words that are not the text's: those that it says to replace. */
  #ownNames(lines: string): string {
    const { id, fingerprint } = this.#enrolled;
    return (
      lines
        .replaceAll('AGENT-ID', id)
        .replaceAll('FINGERPRINT', fingerprint)
        .replaceAll('anna@corp.example.com', this.#trial.lab.person('anna').upn)
        // “A CA of your own: `--ca FILE`, in 6, too.”
        .replaceAll('--key-file ./admin.key', '--key-file ./admin.key --ca ./service-ca.pem')
    );
  }

  async #carryToken(): Promise<void> {
    const { service, agent } = this.#hosts;
    await put(agent, 'enroll.token', await type(service, 'cat ./enroll.token'));
  }
}

function withoutLast(block: Block): string {
  return commandsOf(block).slice(0, -1).join('\n');
}

/** Writes a file that the administrator's account alone can open. */
async function put({ system, account, folder }: Host, path: string, text: string): Promise<void> {
  await system.run(`cd ${folder} && install -m 600 -o ${account} /dev/stdin ${path}`, text);
}
