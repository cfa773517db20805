import { agentConfig } from '../agent-config.ts';
import { isUp, until } from '../machine.ts';
import { expect } from '../steps.ts';
import { blocksOf, commandsOf, saidIn, type Block } from './blocks.ts';
import { type, type Host } from './host.ts';
import type { TextTrial } from './text-trial.ts';

const PASSWORD = 'Typed-As-The-Page-Says-2';

/** How many blocks each section has; those that are not typed here are in the trials that are named. */
const SECTIONS: Readonly<Record<string, number>> = {
  'Install the agent': 2,
  'Install the reset service': 2,
  'Drop-ins': 1, // encrypted-password.ts
  Containers: 1, // scripts/try-container
};

/** What a reverse proxy is to the service: the end of TLS. */
const PROXY = `
  const [cert, key] = ['/root/cert.pem', '/root/key.pem'].map((path) => fs.readFileSync(path));
  tls.createServer({ cert, key }, (from) => {
    const to = net.connect(8443, '127.0.0.1');
    from.pipe(to).pipe(from);
    for (const each of [from, to]) each.on('error', () => [from, to].forEach((one) => one.destroy()));
  }).listen(443);`;

/** Types what LINUX.md gives to be typed into its two machines, the service's part first, as the agent needs it. */
export async function followLinuxPage(trial: TextTrial, page: string): Promise<void> {
  const { steps } = trial;
  const story = new Story(trial, page);
  const all: readonly (readonly [string, () => Promise<void>])[] = [
    ['every block has a place in a trial', () => story.knowsAll()],
    ['the reset service is installed, and answers behind its proxy', () => story.installService()],
    ['the agent is installed, configured, checked, enrolled and runs', () => story.installAgent()],
    ['a reset, and Kerberos takes the new password', () => story.reset()],
  ];
  for (const [what, prove] of all) if (!(await steps.step(`LINUX.md: ${what}`, prove))) return;
}

class Story {
  readonly #trial: TextTrial;
  readonly #page: string;
  readonly #service: Host;
  readonly #agent: Host;

  constructor(trial: TextTrial, page: string) {
    [this.#trial, this.#page] = [trial, page];
    this.#service = { system: trial.hosts.service, account: 'root', folder: '/root' };
    this.#agent = { system: trial.hosts.agent, account: 'root', folder: '/root' };
  }

  knowsAll(): Promise<void> {
    const found: Record<string, number> = {};
    for (const { section } of blocksOf(this.#page)) found[section] = (found[section] ?? 0) + 1;
    expect(JSON.stringify(found), JSON.stringify(SECTIONS), 'sections with blocks');
    return Promise.resolve();
  }

  async installService(): Promise<void> {
    const { system } = this.#service;
    const [install, token] = this.#blocks('Install the reset service');
    await type(this.#service, install.script);
    const { cert, key, ca } = this.#trial.hosts.certificate;
    for (const [name, text] of Object.entries({ cert, key, 'service-ca': ca })) {
      await system.run(`cat > /root/${name}.pem`, text);
    }
    const node = '/usr/lib/passback-cloud/node';
    await system.run(`systemd-run --unit=reverse-proxy ${node} --eval "$(cat)"`, PROXY);
    const port = `${node} --eval "net.connect(443).on('connect', process.exit)"`;
    await until(async () => (await system.try(port)).exitCode === 0, 'the proxy');
    await type(this.#service, withOwnCa(token.script));
  }

  async installAgent(): Promise<void> {
    const { system } = this.#agent;
    const { lab, hosts } = this.#trial;
    const [install, start] = this.#blocks('Install the agent');
    await type(this.#agent, install.script);
    await system.run('cat > /etc/passback/passback.yaml', agentConfig(lab));
    await system.run('cat > /root/corp-ca.pem', lab.ca);
    await system.run('cat > /etc/passback/service-ca.pem', hosts.certificate.ca);
    await type(this.#agent, this.#said('install -m 640 -g passback corp-ca.pem /etc/passback/'));
    const password = `${lab.serviceAccount.password}\n`;
    const keep = this.#said('install -m 600 /dev/stdin /etc/passback/bind-password');
    await type(this.#agent, keep, password);
    const token = await type(this.#service, 'cat ./enroll.token');
    await system.run('install -m 600 /dev/stdin /root/enroll.token', token);
    for (const command of commandsOf(start)) {
      const printed = await type(this.#agent, command);
      if (command.startsWith('passback enroll ')) await this.#approve(printed);
    }
  }

  async reset(): Promise<void> {
    const { lab } = this.#trial;
    await isUp(this.#agent.system, 'passback', /^running, ready/);
    const to = '--directory corp --url https://reset.example.com --key-file ./admin.key';
    const reset = `passback-cloud operate reset --account ${lab.person('anna').upn} ${to}`;
    await type(this.#service, withOwnCa(reset), `${PASSWORD}\n`);
    expect(await lab.kinit('anna', PASSWORD), 'ok', 'kinit');
  }

  /** With the command that `enroll` has printed, which knows of the CA. */
  async #approve(printed: string): Promise<void> {
    const [approve] = /^ *passback-cloud agent approve .*$/m.exec(printed) ?? [];
    if (approve === undefined) throw new Error(`enroll printed no command:\n${printed}`);
    await type(this.#service, approve);
  }

  /** The two blocks of a section, which has two. */
  #blocks(name: string): readonly [Block, Block] {
    const [first, second] = blocksOf(this.#page).filter(({ section }) => section === name);
    if (first === undefined || second === undefined)
      throw new Error(`“${name}” has not two blocks`);
    return [first, second];
  }

  #said(command: string): string {
    return saidIn(this.#page, command);
  }
}

/** `--ca FILE`, as README has it for a CA of one's own. */
function withOwnCa(script: string): string {
  return script.replaceAll(/--key-file \S+/g, '$& --ca ./service-ca.pem');
}
