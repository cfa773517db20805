import { countChecks, type CheckResult, type CheckStanding } from './checks.ts';

/** What each check looks at, by its id, in a few words for the head of its line. */
export type CheckTitles = Readonly<Partial<Record<string, string>>>;

const COLOURS: Readonly<Record<CheckStanding, number>> = { pass: 32, warn: 33, fail: 31, skip: 90 };
const INDENT = '      ';

/** One result for a person at a terminal: what was looked at, what was found, what to do. */
export function checkText(result: CheckResult, titles: CheckTitles, inColour: boolean): string {
  const { id, about, standing, found, remedy, commands = [], local = {} } = result;
  const title = `${titles[id] ?? id}${about === undefined ? '' : ` (${about})`}`;
  const lines = [
    `${paint(standing.toUpperCase(), standing, inColour)}  ${printable(title)}: ${printable(found)}`,
    ...Object.entries(local).map(
      ([what, values]) => `${INDENT}${what}: ${printable(values.join(', '))}`,
    ),
    ...(remedy === undefined ? [] : [`${INDENT}-> ${printable(remedy)}`]),
    ...commands.flatMap(({ where, lines: typed }) => [
      `${INDENT}   ${printable(where)}:`,
      ...typed.map((line) => `${INDENT}     ${printable(line)}`),
    ]),
  ];
  return lines.join('\n');
}

/** The last line: how many of each. */
export function checkSummary(results: readonly CheckResult[], inColour: boolean): string {
  const { pass, warn, fail, skip } = countChecks(results);
  const worst = fail > 0 ? 'fail' : warn > 0 ? 'warn' : 'pass';
  return paint(
    `${pass} passed, ${warn} warning${warn === 1 ? '' : 's'}, ${fail} failed, ${skip} skipped`,
    worst,
    inColour,
  );
}

function paint(text: string, standing: CheckStanding, inColour: boolean): string {
  return inColour ? `\u001b[${COLOURS[standing]}m${text}\u001b[0m` : text;
}

/** What others have said must not steer a terminal. */
function printable(line: string): string {
  return line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, '?');
}
