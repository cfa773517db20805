import { FORMATS } from './formats.ts';
import { environmentName, SETTINGS, type Setting } from './settings.ts';

/** All settings as a Markdown table, for the README. */
export function configReference(): string {
  const rows = SETTINGS.map((setting) => [
    `\`${setting.key}\`<br>\`${environmentName(setting.key)}\``,
    defaultOf(setting),
    `${setting.doc} Expects ${FORMATS[setting.format].expected}.`,
  ]);
  const lines = [
    ['setting and environment variable', 'default', 'meaning'],
    ['---', '---', '---'],
  ];
  return `${[...lines, ...rows].map((cells) => `| ${cells.map(escapePipes).join(' | ')} |`).join('\n')}\n`;
}

function defaultOf({ key, required, default: value }: Setting): string {
  if (required === true) return 'required';
  if (key === 'stateFolder')
    return '`/var/lib/passback`; on Windows `%ProgramData%\\Passback\\State`';
  if (value === undefined) return 'none';
  if (typeof value !== 'object') return `\`${String(value)}\``;
  return value.length === 0 ? 'none' : `\`${value.join(', ')}\``;
}

function escapePipes(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
