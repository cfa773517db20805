import { failed, passed, warned, type Finding } from '../../support/checks.ts';
import { ConfigError } from '../../support/config-error.ts';
import { isFault, messageOf } from '../../support/errors.ts';
import type { CloudConfig } from '../config/cloud-config.ts';
import { lostDatabase } from '../setup/must-have-database.ts';
import { readSchemaState } from '../store/schema-state.ts';

/** Looks into the database, and migrates nothing. */
export async function lookAtDatabase(config: CloudConfig): Promise<Finding> {
  try {
    const { schema, place, unknown, version = 'none' } = await readSchemaState(config);
    switch (schema) {
      case 'current':
        return passed(`${place} can be reached, and its schema is this program's (${version})`);
      case 'older':
        return passed(`${place} can be reached; serve brings its schema up to date (${version})`);
      case 'absent':
        if (config.database !== undefined)
          return warned(`${place} holds nothing of ours yet`, 'init or serve makes the tables.');
        return failed(...lostDatabase(place));
      case 'newer':
        return failed(
          `${place} was written by a newer passback-cloud (${unknown.join(', ')})`,
          'Install that version here; an older one must not work on it.',
        );
    }
  } catch (error) {
    if (error instanceof ConfigError) {
      const found = error.problems.map(({ key, problem }) => `${key}: ${problem}`).join('; ');
      return failed(found, 'Correct it.');
    }
    if (!isFault(error)) throw error;
    const remedy =
      config.database === undefined
        ? 'Do what it says.'
        : 'Look at the database server, and at database.urlFile.';
    return failed(messageOf(error), remedy);
  }
}
