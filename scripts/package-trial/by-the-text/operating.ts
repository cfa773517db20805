import { until } from '../machine.ts';
import { expect } from '../steps.ts';
import { saidIn, sectionOf } from './blocks.ts';
import { ask, type, type Host } from './host.ts';

interface Parts {
  readonly agent: Host;
  readonly service: Host;
  /** The line that keeps where the service is, and with which key it is asked. */
  readonly to: string;
}

/** Exit codes of `passback status` by README's words; the service's is only said not to be 0. */
const [RUNNING, NOT_ALL_OF_ITS_WORK, NOT_RUNNING] = [0, 3, 1];
const NOT_UP = 2;

/** Types what README's section on operating names, while what its installation has started still runs. */
export class Operating {
  readonly #readme: string;
  readonly #section: string;
  readonly #parts: Parts;

  constructor(readme: string, parts: Parts) {
    [this.#readme, this.#section] = [readme, sectionOf(readme, 'Operating')];
    this.#parts = parts;
  }

  async agent(): Promise<void> {
    const { agent } = this.#parts;
    await this.#agentStatus(RUNNING, /^Writeback: running$/m);
    // It asks the agent that was started by hand, so it has found its socket.
    expect(await type(agent, this.#said('passback doctor')), /PASS +Running agent/, 'doctor');
    await type(agent, this.#said('passback support-bundle'));
    await type(agent, 'tar -tzf passback-*.tar.gz');
    // What stands there is the name of it, and a link to its flags.
    await type(agent, `${saidIn(this.#readme, 'passback pause')} --reason moving`);
    await this.#agentStatus(NOT_ALL_OF_ITS_WORK, /^Writeback: paused/m);
    await type(agent, 'passback resume');
    await this.#agentStatus(RUNNING, /^Writeback: running$/m);
  }

  async service(): Promise<void> {
    await this.#serviceStatus(0, /running/);
    await this.#typeTo(this.#saidOfService('pause --reason … --for 2h'));
    await this.#agentStatus(NOT_ALL_OF_ITS_WORK, /paused by the service/);
    await this.#typeTo(this.#saidOfService('resume'));
    await this.#agentStatus(RUNNING, /^Writeback: running$/m);
    expect(await this.#typeTo(this.#saidOfService('audit')), /applied/, 'audit');
  }

  async ports(): Promise<void> {
    const { agent, service } = this.#parts;
    for (const [{ system }, program, address] of [
      [agent, 'passback', this.#said('http://127.0.0.1:9464')],
      [service, 'passback-cloud', `http://${this.#said('127.0.0.1:9465')}`],
    ] as const) {
      for (const path of ['/livez', '/readyz', '/metrics', '/status.json']) {
        const url = `${address}${this.#said(path)}`;
        const get = `fetch('${url}').then(async (got) => console.log(got.status, await got.text()))`;
        // A clean machine has no curl, but the Node.js that the program brought.
        const found = await system.run(`/usr/lib/${program}/node --eval "${get}"`);
        expect(found, /^200 \S/, url);
      }
    }
  }

  /** When the agent has ended, and the service has not. */
  async withoutAgent(): Promise<void> {
    await this.#agentStatus(NOT_RUNNING, /no agent is running here/);
    await this.#serviceStatus(NOT_UP, /./);
  }

  async #agentStatus(exitCode: number, text: RegExp): Promise<void> {
    await ends(this.#parts.agent, this.#said('passback status'), exitCode, text);
  }

  async #serviceStatus(exitCode: number, text: RegExp): Promise<void> {
    const status = this.#withFlags(this.#said('passback-cloud status'));
    await ends(this.#parts.service, status, exitCode, text);
  }

  #typeTo(command: string): Promise<string> {
    return type(this.#parts.service, this.#withFlags(command));
  }

  /** Which directory, where, and with which key: every command that asks the service takes them. */
  #withFlags(command: string): string {
    return `${this.#parts.to}\n${command} "\${to[@]}"`;
  }

  #said(words: string): string {
    return saidIn(this.#section, words);
  }

  /** The text names the program once, for all that follow. */
  #saidOfService(words: string): string {
    return `passback-cloud ${this.#said(words).replace('…', 'trying')}`;
  }
}

/** Types a command until it ends as it should, because what it tells of takes a moment. */
async function ends(host: Host, command: string, exitCode: number, text: RegExp): Promise<void> {
  let seen = '';
  const isSo = async (): Promise<boolean> => {
    const found = await ask(host, command);
    seen = `exit code ${found.exitCode}:\n${found.output}`;
    return found.exitCode === exitCode && text.test(found.output);
  };
  await until(isSo, `${command} ends with ${exitCode}`).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${seen}`);
  });
}
