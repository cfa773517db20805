import type { TestProject } from 'vitest/node';
import { startPostgres } from './start-postgres.ts';

/** Starts one database server for the whole run and hands it to `usePostgres()`; gives back its end. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres((line) => {
    process.stderr.write(`${line}\n`);
  });
  project.provide('postgres', server.description);
  return async () => {
    await server[Symbol.asyncDispose]();
  };
}
