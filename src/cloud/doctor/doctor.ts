import { failed, passed, skipped, type CheckResult } from '../../support/checks.ts';
import { ConfigError } from '../../support/config-error.ts';
import { lookAtRuntime } from '../../support/runtime-check.ts';
import type { Environment } from '../../support/terminal.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { loadConfig } from '../config/load-config.ts';
import { CHECKS, result, type CheckId } from './check-list.ts';
import { lookAtData } from './data-checks.ts';
import { lookAtDatabase } from './database-check.ts';
import { lookAtListening } from './listen-checks.ts';

export interface DoctorOptions {
  readonly file: string;
  readonly env: Environment;
  readonly nodeVersion: string;
  readonly now: number;
  readonly onResults?: (results: readonly CheckResult[]) => void;
}

/** Makes every check in its order; changes nothing. Rejects for bugs only. */
export async function examine(options: DoctorOptions): Promise<readonly CheckResult[]> {
  const { file, env, nodeVersion, now, onResults } = options;
  const all: CheckResult[] = [];
  const say = (...results: readonly CheckResult[]): void => {
    all.push(...results);
    onResults?.(results);
  };
  say(result('machine.runtime', lookAtRuntime(nodeVersion, env)));
  const { config, results } = await lookAtConfig(file, env);
  say(...results);
  if (config === undefined) {
    say(...skipRest('the configuration cannot be used'));
    return all;
  }
  say(...(await lookAtData(config, now)));
  say(...(await lookAtListening(config, now)));
  say(result('database.schema', await lookAtDatabase(config)));
  return all;
}

function skipRest(reason: string): readonly CheckResult[] {
  const ids = Object.keys(CHECKS) as CheckId[];
  return ids.slice(ids.indexOf('data.folder')).map((id) => result(id, skipped(reason)));
}

async function lookAtConfig(
  file: string,
  env: Environment,
): Promise<{ readonly config?: CloudConfig; readonly results: readonly CheckResult[] }> {
  try {
    const config = await loadConfig(file, env);
    return { config, results: [result('config.settings', passed(`${file} is good`))] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const remedy = 'Correct it; REFERENCE.md has every setting.';
    const results = error.problems.map(({ key, problem }) =>
      result('config.settings', failed(problem, remedy), key),
    );
    return { results };
  }
}
