import convict from 'convict';
import { FORMATS, type Format } from './formats.ts';
import { environmentName, SETTINGS, type Setting } from './settings.ts';

for (const [name, format] of Object.entries<Format>(FORMATS)) {
  convict.addFormat({ name: `passback-${name}`, ...convictFormat(format) });
}

function convictFormat({ expected, parse, problem }: Format): convict.Format {
  return {
    validate: (value: unknown, schema: convict.SchemaObj) => {
      const { key, required } = schema as Partial<Setting>; // from buildSchema
      const isSecret = key !== undefined && SECRET_FILE.test(key);
      if (value === null && required === true) {
        throw new Error(`is missing; ${isSecret ? SAFE_PATH : `expected ${expected}`}`);
      }
      const found = problem(value);
      if (found === undefined) return;
      throw new Error(isSecret ? SAFE_PATH : found);
    },
    ...(parse !== undefined && { coerce: parse }),
  };
}

const SECRET_FILE = /(password|credentials)File$/;

/** Somebody may have put the password itself there. */
const SAFE_PATH = 'expected the absolute path of a file that holds the password';

interface Group {
  [name: string]: Group | convict.SchemaObj<unknown>;
}

/** The convict schema of all settings, nested as the file is. */
export function buildSchema(defaults: Readonly<Partial<Record<string, unknown>>>): Group {
  const schema: Group = {};
  for (const setting of SETTINGS) {
    const parts = setting.key.split('.');
    const last = parts.pop() ?? '';
    let group = schema;
    for (const part of parts) group = group[part] ??= {}; // no setting is also a group
    group[last] = {
      doc: setting.doc,
      format: `passback-${setting.format}` as '*', // registered above
      default: setting.default ?? defaults[setting.key] ?? null,
      nullable: setting.required !== true,
      env: environmentName(setting.key),
      // convict's own messages would quote the value; ours say what may be said.
      sensitive: true,
      key: setting.key,
      required: setting.required,
    };
  }
  return schema;
}
