import type { TestProject } from 'vitest/node';
import { startLab } from './start-lab.ts';

/** Starts one lab for the whole run and hands it to `useLab()`; gives back its end. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const lab = await startLab({
    progress: (line) => {
      process.stderr.write(`${line}\n`);
    },
  });
  project.provide('lab', lab.description);
  return () => lab.stop();
}
