import convict from 'convict';
import { ConfigError, type ConfigProblem } from '../../support/config-error.ts';
import { fileFailure } from '../../support/file-failure.ts';
import { bringSettingsForward, type ConfigSteps } from '../../support/config-version.ts';
import type { ShownSetting } from '../../support/settings-text.ts';
import type { Environment } from '../../support/terminal.ts';
import type { AgentConfig } from './agent-config.ts';
import { checkFiles, type FilesOf, type ReadText } from './config-files.ts';
import { parseConfig } from './document.ts';
import { resolveProxy, type ResolvedProxy } from './proxy-settings.ts';
import { buildSchema } from './schema.ts';
import { environmentName, SETTINGS, defaultStateFolder } from './settings.ts';
import { sift, siftEnvironment } from './sift.ts';
import { crossProblems } from './cross-rules.ts';
import { toAgentConfig } from './to-agent-config.ts';

export interface ConfigSource {
  /** YAML or JSON; absent: the environment alone. */
  readonly file?: string;
  readonly env: Environment;
  readonly readText: ReadText;
  /** How the settings have changed since version 1. Default is what this program knows. */
  readonly steps?: ConfigSteps;
  /** Whose files are looked into, for what needs no other. Absent: everybody's. */
  readonly filesOf?: FilesOf;
}

/** What a file of each version says in another way than the one before; none was released yet that does. */
const STEPS: ConfigSteps = [];

/**
 * Reads the file, then the environment over it (an empty variable counts as not set), and checks
 * all of it. Rejects with a `ConfigError` that lists every problem.
 */
export async function loadConfig(source: ConfigSource): Promise<AgentConfig> {
  return (await checkConfig(source)).config;
}

/** The same, with what the file should say otherwise because its version is an older one. */
export async function checkConfig(
  source: ConfigSource,
): Promise<{ readonly config: AgentConfig; readonly notes: readonly string[] }> {
  const { good, proxy, notes } = await readAll(source);
  return { config: toAgentConfig(good, proxy), notes };
}

/** Every setting that counts, in the order people read about them. Rejects as `loadConfig` does. */
export async function effectiveSettings(source: ConfigSource): Promise<readonly ShownSetting[]> {
  const { good, proxy, inFile, variables } = await readAll(source);
  return SETTINGS.map(({ key }): ShownSetting => {
    const variable = environmentName(key);
    const value = good.get(key) ?? undefined;
    if (variable in variables) return { key, value, source: 'environment', variable };
    if (inFile.has(key)) return { key, value, source: 'file' };
    const { url, setting } = proxy.proxy ?? {};
    return key === 'service.proxy.url' && setting !== undefined && setting !== key
      ? { key, value: url, source: 'environment', variable: setting }
      : { key, value, source: 'default' };
  });
}

interface Read {
  readonly good: Merged['good'];
  readonly proxy: ResolvedProxy;
  /** What the file gives. */
  readonly inFile: ReadonlyMap<string, unknown>;
  /** What the environment gives, by variable. */
  readonly variables: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

async function readAll(source: ConfigSource): Promise<Read> {
  const { file, env, readText, filesOf, steps = STEPS } = source;
  const text = file === undefined ? '' : await readConfig(file, readText);
  const document = parseConfig(text, file ?? '');
  const { tree, notes, problem } = bringSettingsForward(document.tree, steps);
  const inFile = sift(tree);
  const inEnvironment = siftEnvironment(env);
  const merged = merge(inFile.values, inEnvironment.variables, env);
  const proxy = resolveProxy(merged.good, env);
  // With a file that cannot be read every required setting would seem missing.
  const unread = [...document.problems, ...(problem === undefined ? [] : [problem])];
  const problems: readonly ConfigProblem[] =
    unread.length > 0
      ? unread
      : [
          ...inFile.problems,
          ...inEnvironment.problems,
          ...merged.problems.filter(
            ({ key }) => !inFile.problems.some((other) => other.key === key),
          ),
          ...crossProblems(merged.good),
          ...proxy.problems,
          ...(await checkFiles(merged.good, readText, filesOf)),
        ];
  if (problems.length > 0) throw new ConfigError(problems);
  const { variables } = inEnvironment;
  return { good: merged.good, proxy, inFile: inFile.values, variables, notes };
}

async function readConfig(file: string, readText: ReadText): Promise<string> {
  try {
    return await readText(file);
  } catch (error) {
    const problem = `${fileFailure(error)}; name another with --config`;
    throw new ConfigError([{ key: file, problem }]);
  }
}

const ORDER = SETTINGS.map(({ key }) => key);

interface Merged {
  /** Settings whose value is as it should be, defaults included. */
  readonly good: ReadonlyMap<string, unknown>;
  readonly problems: readonly ConfigProblem[];
}

function merge(
  given: ReadonlyMap<string, unknown>,
  variables: Readonly<Record<string, string>>,
  env: Environment,
): Merged {
  const schema = buildSchema({ stateFolder: defaultStateFolder(env) });
  const config = convict<Record<string, unknown>>(schema, {
    env: { ...variables },
    args: [], // convict would read the process's own
  });
  for (const [key, value] of given) {
    if (!(environmentName(key) in variables)) config.set(key, value);
  }
  const found = inOrder(validate(config));
  const problems = found.map(({ key, problem }) => ({
    key: environmentName(key) in variables ? `${key} (${environmentName(key)})` : key,
    problem,
  }));
  const bad = new Set(found.map(({ key }) => key));
  const good = SETTINGS.filter(({ key }) => !bad.has(key)).map(({ key }): [string, unknown] => [
    key,
    config.get(key),
  ]);
  return { good: new Map(good), problems };
}

function inOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted((a, b) => ORDER.indexOf(a.key) - ORDER.indexOf(b.key));
}

/** convict gives all problems as the lines of one message, each `key: problem`. */
function validate(config: convict.Config<Record<string, unknown>>): readonly ConfigProblem[] {
  try {
    config.validate({ allowed: 'strict' });
    return [];
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    return lines.map((line) => {
      const colon = line.indexOf(': ');
      return { key: line.slice(0, colon), problem: line.slice(colon + 2) };
    });
  }
}
