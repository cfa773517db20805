import { join } from 'node:path';

/** Where everything is in a data folder. */
export interface DataFolder {
  readonly path: string;
  readonly keys: string;
  readonly database: string;
  readonly lock: string;
  readonly config: string;
}

export function dataFolder(path: string): DataFolder {
  return {
    path,
    keys: join(path, 'keys'),
    database: join(path, 'passback-cloud.db'),
    lock: join(path, 'serve.lock'),
    config: join(path, 'passback-cloud.yaml'),
  };
}
