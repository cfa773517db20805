import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../../test/lab/lab.ts';
import { searchSecrets } from '../../test/support/search-secrets.ts';
import type { Stack } from '../../test/support/stack.ts';

export interface StoryOptions {
  readonly lab: Lab;
  readonly stack: Stack;
  readonly say: (line: string) => void;
}

/** Set in the course of the story; looked for afterwards wherever they must not be. */
const NEW_PASSWORD = 'Planted-by-the-demo-7';
const WRONG_PASSWORD = 'Planted-but-wrong-8';

/** What the demo shows, step by step; each step is proven by somebody other than Passback. */
export class Story {
  readonly #options: StoryOptions;
  #failed = 0;

  constructor(options: StoryOptions) {
    this.#options = options;
  }

  /** Tells the whole story; resolves with whether every step was proven. */
  async tell(): Promise<boolean> {
    await this.#enrol();
    await this.#resetPassword();
    await this.#unlock();
    await this.#refuse();
    await this.#pause();
    await this.#searchForSecrets();
    this.#options.say(
      this.#failed === 0
        ? '\nEvery step was proven.'
        : `\n${this.#failed} steps were NOT proven; the lines marked ✗ say which.`,
    );
    return this.#failed === 0;
  }

  async #enrol(): Promise<void> {
    const { stack } = this.#options;
    await stack.startCloud();
    await this.#step(
      'the reset service answers, and says that nobody has enrolled yet',
      async () => (await stack.command(['status'])).code === 2,
    );
    const { agent, fingerprint } = await stack.enroll();
    await stack.startAgent();
    await this.#step('the agent enrolled itself, dialled out, and is pending', async () =>
      (await this.#agents()).includes(`${agent} demo-agent pending connected`),
    );
    const early = await this.#operate('reset', 'anna@corp.test', NEW_PASSWORD);
    await this.#step(
      'pending, it is given no command',
      async () => early.code !== 0 && (await this.#opens('anna', NEW_PASSWORD)) !== 'ok',
    );
    await stack.command(['agent', 'approve', agent, '--fingerprint', fingerprint]);
    await this.#step('approved by its fingerprint, it is up and running', async () =>
      (await this.#agents()).includes(`${agent} demo-agent approved connected`),
    );
  }

  async #resetPassword(): Promise<void> {
    const { lab } = this.#options;
    const ended = await this.#operate('reset', 'anna@corp.test', NEW_PASSWORD);
    await this.#step(
      "Anna's password is reset: kinit takes the new one, and not the old one",
      async () =>
        ended.code === 0 &&
        (await this.#opens('anna', NEW_PASSWORD)) === 'ok' &&
        (await this.#opens('anna', lab.person('anna').password)) === 'wrong-password',
    );
    await this.#step(
      'the domain controller has written it exactly once',
      async () => (await lab.passwordWrites()).get('anna') === 1,
    );
  }

  async #unlock(): Promise<void> {
    const { lab } = this.#options;
    const { password } = lab.person('locked');
    await this.#step(
      'Lotte is locked out',
      async () => (await this.#opens('locked', password)) === 'revoked',
    );
    const ended = await this.#operate('unlock', 'locked@corp.test');
    await this.#step(
      'her account is unlocked: kinit takes her password again',
      async () => ended.code === 0 && (await this.#opens('locked', password)) === 'ok',
    );
  }

  async #refuse(): Promise<void> {
    const { lab, stack } = this.#options;
    const [oldFile, newFile] = [join(stack.folder, 'old'), join(stack.folder, 'new')];
    await writeFile(oldFile, WRONG_PASSWORD);
    await writeFile(newFile, NEW_PASSWORD);
    const files = ['--old-password-file', oldFile, '--password-file', newFile];
    const change = await stack.command([
      'operate',
      'change',
      '--account',
      'ben@corp.test',
      ...files,
    ]);
    await writeFile(oldFile, '');
    await writeFile(newFile, '');
    await this.#step(
      'a change with a wrong old password is answered WRONG_PASSWORD',
      () => change.code === 2 && change.stdout.includes('WRONG_PASSWORD'),
    );
    const short = await this.#operate('reset', 'ben@corp.test', 'Short-1');
    await this.#step(
      'a password that is too short is refused, and the rule is named',
      () => short.code === 2 && short.stdout.includes('rule: length'),
    );
    const boss = await this.#operate('reset', 'boss@corp.test', NEW_PASSWORD);
    await this.#step(
      'a Domain Admin inside the delegated unit is not touched',
      async () =>
        boss.code === 2 && (await this.#opens('boss', lab.person('boss').password)) === 'ok',
    );
  }

  async #pause(): Promise<void> {
    const { stack } = this.#options;
    await stack.command(['pause', '--reason', 'demo']);
    const paused = await this.#operate('reset', 'ben@corp.test', NEW_PASSWORD);
    await this.#step(
      'paused from the cloud, a reset is refused before anybody types a password',
      () => paused.code !== 0 && paused.stderr.includes('PAUSED'),
    );
    await stack.command(['resume']);
  }

  async #searchForSecrets(): Promise<void> {
    const { stack } = this.#options;
    const logs = [stack.cloud, stack.agent].map((program, i) => ({
      name: `log ${i}`,
      content: program?.output ?? '',
    }));
    const places = [stack.cloudData, stack.agentState, ...logs];
    const planted = { new: NEW_PASSWORD, wrong: WRONG_PASSWORD };
    const control = await searchSecrets(planted, [{ name: 'control', content: NEW_PASSWORD }]);
    const hits = await searchSecrets(planted, places);
    await this.#step(
      'the passwords are in no log, database or state file, in any encoding',
      () => control.length === 1 && hits.length === 0,
    );
  }

  #operate(op: string, account: string, password = ''): ReturnType<Stack['command']> {
    const args = ['operate', op, '--account', account];
    const from = op === 'unlock' ? [] : ['--password-file', '-'];
    return this.#options.stack.command([...args, ...from], `${password}\n`);
  }

  async #agents(): Promise<string> {
    const { stdout } = await this.#options.stack.command(['agent', 'list']);
    return stdout.replaceAll(/ +/g, ' '); // its columns are padded
  }

  #opens(sam: string, password: string): ReturnType<Lab['kinit']> {
    return this.#options.lab.kinit(sam, password);
  }

  async #step(what: string, prove: () => boolean | Promise<boolean>): Promise<void> {
    const proven = await prove();
    if (!proven) this.#failed++;
    this.#options.say(`   ${proven ? '✓' : '✗'} ${what}`);
  }
}
