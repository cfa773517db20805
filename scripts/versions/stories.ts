import { readFile } from 'node:fs/promises';
import { Api, type PreparedReset } from '../benchmark/api.ts';
import { eventually } from '../../test/support/eventually.ts';
import { runProgram, type Ended, type ProgramName } from '../../test/support/program.ts';
import type { CheckResult } from '../../src/support/checks.ts';
import { mustBe, mustEnd, type Step, type Trial, type Version } from './trial.ts';

/** The agent looks into what it has left open every minute, and the service asks again all the time. */
const FOUND_OUT_WITHIN_MS = 120_000;

/** On a machine that is busy with anything. */
const START_WITHIN_MS = 90_000;

/** Everything that the two say to each other, with a restart of each in the middle. */
export function conversation(otherCommandLine: Version) {
  return async (trial: Trial, step: Step): Promise<void> => {
    const { stack, directory } = trial;
    await step('the agent enrols and is approved', async () => {
      await joinUp(trial);
      return undefined;
    });
    await step('both say that they work', () => bothWork(trial));
    await step('a reset is applied', () => reset(trial));
    await step('an unlock is applied', async () => {
      directory.lockAnna();
      mustEnd(await stack.command(['operate', 'unlock', '--account', 'anna']), 0);
      mustBe('lockoutTime', directory.anna.state.lockoutTime, '0');
      return undefined;
    });
    await step('paused by the service nothing is written; resumed it is', async () => {
      mustEnd(await stack.command(['pause', '--reason', 'trial']), 0);
      await refused(trial);
      mustEnd(await stack.command(['resume']), 0);
      return reset(trial);
    });
    await step('paused at the agent nothing is written; resumed it is', async () => {
      const config = ['--config', stack.agentConfigFile];
      mustEnd(await stack.run('agent', ['pause', '--reason', 'trial', ...config]), 0);
      await refused(trial);
      mustEnd(await stack.run('agent', ['resume', ...config]), 0);
      return reset(trial);
    });
    await step(`the command line of ${otherCommandLine.name} works, too`, () =>
      reset(trial, (args, stdin) => otherRun(trial, otherCommandLine, args, stdin)),
    );
    await step('the agent restarts and goes on', async () => {
      mustBe('exit code', (await stack.agent?.stop())?.code, 0);
      await stack.startAgent();
      return reset(trial);
    });
    await step('the service is killed, restarts and goes on', async () => {
      await stack.cloud?.stop('SIGKILL');
      await stack.startCloud();
      await eventually(() => bothWork(trial), START_WITHIN_MS);
      return reset(trial);
    });
    await step('the service has every outcome, without an alarm', () => wholeTrail(trial, 1));
  };
}

/** What an older version has left, taken over by a newer one, and given back. */
export function upgrade({ older, newer }: { readonly older: Version; readonly newer: Version }) {
  return async (trial: Trial, step: Step): Promise<void> => {
    const { stack, directory } = trial;
    const { anna } = directory;
    let before: unknown;
    let [done, underWay]: PreparedReset[] = [];
    let api: Api | undefined;
    await step(
      `${older.name}: a reset is done, another is under way when both are killed`,
      async () => {
        await joinUp(trial);
        api = await Api.open(stack);
        done = await api.prepare(anna.objectGuid, 'Before-Upgrade-1');
        before = await api.handIn(done);
        underWay = await api.prepare(anna.objectGuid, 'Under-Way-2');
        directory.losesAnswers = true;
        const lost = api.handIn(underWay).catch(() => undefined);
        await eventually(() => {
          mustBe('passwords written', anna.passwordWrites, 2);
        }, 20_000);
        await stack.agent?.stop('SIGKILL');
        await stack.cloud?.stop('SIGKILL');
        await lost;
        directory.losesAnswers = false;
        return undefined;
      },
    );
    const identity = await identityOf(trial);
    await step(`${newer.name}: takes over, with the identity that was there`, async () => {
      use(trial, newer);
      await stack.startCloud();
      await stack.startAgent();
      mustBe('agent', await identityOf(trial), identity);
      return undefined;
    });
    await step('what was under way is found out, and not done twice', async () => {
      await eventually(async () => {
        const { status } = await again(api, underWay);
        mustBe('outcome', status, 'applied');
      }, FOUND_OUT_WITHIN_MS);
      mustBe('passwords written', anna.passwordWrites, 2);
      await eventually(() => bothWork(trial), FOUND_OUT_WITHIN_MS);
      return undefined;
    });
    await step('what was done is answered as before', async () => {
      mustBe('answer', await again(api, done), before);
      mustBe('passwords written', anna.passwordWrites, 2);
      return undefined;
    });
    await step('a reset is applied, and the trail goes on', async () => {
      await reset(trial);
      return wholeTrail(trial);
    });
    await step('doctor finds state, keys and database good', () => doctors(trial));
    await step(`back to ${older.name}: it works, or says what to install`, async () => {
      await stack.agent?.stop();
      await stack.cloud?.stop();
      const found: string[] = [];
      for (const what of ['cloud', 'agent'] as const)
        found.push(await goBack(trial, what, { older, newer }));
      if (found.every((one) => one === 'works')) await reset(trial);
      return `service ${found[0] ?? ''}, agent ${found[1] ?? ''}`;
    });
    api?.close();
  };
}

/** Starts both, with the agent enrolled and approved; answers who it is. */
export async function joinUp(trial: Trial): ReturnType<Trial['stack']['enroll']> {
  const { stack } = trial;
  await stack.startCloud();
  const enrolled = await stack.enroll();
  const { agent, fingerprint } = enrolled;
  mustEnd(await stack.command(['agent', 'approve', agent, '--fingerprint', fingerprint]), 0);
  await stack.startAgent();
  await eventually(() => bothWork(trial), START_WITHIN_MS);
  return enrolled;
}

async function bothWork({ stack }: Trial): Promise<undefined> {
  mustEnd(await stack.command(['status']), 0);
  mustEnd(await stack.run('agent', ['status', '--config', stack.agentConfigFile]), 0);
  return undefined;
}

type Command = (args: readonly string[], stdin: string) => Promise<Ended>;

let count = 0;

/** A reset to a new password, which has to be the account's afterwards, written once. */
async function reset({ stack, directory }: Trial, command?: Command): Promise<undefined> {
  const { anna } = directory;
  const writes = anna.passwordWrites;
  const password = `Trial-Password-${(count += 1)}`;
  const args = ['operate', 'reset', '--account', 'anna', '--password-file', '-'];
  mustEnd(await (command ?? ((a, stdin) => stack.command(a, stdin)))(args, password), 0);
  mustBe('password', anna.state.password, password);
  mustBe('passwords written', anna.passwordWrites, writes + 1);
  return undefined;
}

async function refused({ stack, directory }: Trial): Promise<void> {
  const { passwordWrites } = directory.anna;
  const args = ['operate', 'reset', '--account', 'anna', '--password-file', '-', '--wait', '5'];
  mustEnd(await stack.command(args, 'Not-To-Be-Written-1'), 2, /PAUSED|paused/);
  mustBe('passwords written', directory.anna.passwordWrites, passwordWrites);
}

/** The same command of another version, against this service. */
function otherRun(
  { stack }: Trial,
  { root }: Version,
  args: readonly string[],
  stdin: string,
): Promise<Ended> {
  const to = ['--url', stack.url, '--key-file', stack.keyFile, '--ca', stack.caFile];
  return runProgram('cloud', [...args, ...to, '--directory', 'corp'], stdin, root);
}

function use({ stack }: Trial, { root }: Version): void {
  Object.assign(stack.roots, { agent: root, cloud: root });
}

/** What the service is told again, byte for byte. */
function again(
  api: Api | undefined,
  prepared: PreparedReset | undefined,
): ReturnType<Api['handIn']> {
  if (api === undefined || prepared === undefined) throw new TypeError('nothing was prepared');
  return api.handIn(prepared);
}

/** As many signed outcomes as there were effects: passwords written, and accounts unlocked. */
async function wholeTrail({ stack, directory }: Trial, unlocked = 0): Promise<string> {
  const ended = await stack.command(['audit', '--limit', '100', '--json']);
  mustEnd(ended, 0);
  const text = ended.stdout;
  if (/alarm/i.test(text)) throw new Error(`the service has raised an alarm: ${text}`);
  const outcomes = (text.match(/"signed(?:Outcome)?":/g) ?? []).length;
  mustBe('signed outcomes', outcomes, directory.anna.passwordWrites + unlocked);
  return `${outcomes} signed outcomes`;
}

/** Who the agent is, as its own state folder says. */
async function identityOf({ stack }: Trial): Promise<unknown> {
  return JSON.parse(await readFile(`${stack.agentState}/identity.json`, 'utf8'));
}

async function doctors({ stack }: Trial): Promise<undefined> {
  const agent = await stack.run('agent', ['doctor', '--config', stack.agentConfigFile, '--json']);
  const cloud = await stack.run('cloud', ['doctor', '--data', stack.cloudData, '--json']);
  for (const { stdout } of [agent, cloud]) {
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly CheckResult[] };
    const kept = checks.filter(({ id }) => /^(config|state|keys|data|database)\./.test(id));
    const bad = kept.filter(({ standing }) => standing === 'fail');
    if (kept.length === 0 || bad.length > 0) throw new Error(`doctor: ${JSON.stringify(bad)}`);
  }
  return undefined;
}

interface Versions {
  readonly older: Version;
  readonly newer: Version;
}

/** Starts the older program on what the newer one has left; where it refuses, the newer one goes on. */
async function goBack(
  { stack }: Trial,
  what: ProgramName,
  { older, newer }: Versions,
): Promise<string> {
  const start = (): Promise<void> => (what === 'cloud' ? stack.startCloud() : stack.startAgent());
  stack.roots[what] = older.root;
  try {
    await start();
    return 'works';
  } catch (error) {
    const ended = await (what === 'cloud' ? stack.cloud : stack.agent)?.ended;
    const said = ended?.stderr.trim() ?? '';
    if (ended === undefined || !said.includes('newer')) throw error;
    stack.roots[what] = newer.root;
    await start();
    return `refuses: ${said}`;
  }
}
