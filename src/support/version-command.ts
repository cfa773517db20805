import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

/** Adds `version`. */
export function addVersionCommand(program: Command, terminal: Pick<Terminal, 'print'>): void {
  const name = program.name();
  program
    .command('version')
    .description('print the version')
    .option('--json', 'with the name of the program and the version of Node.js, as JSON')
    .addHelpText('after', `\nExamples:\n  ${name} version\n  ${name} version --json`)
    .action(({ json }: { readonly json?: true }) => {
      const version = packageVersion();
      const node = process.versions.node;
      terminal.print(json === true ? JSON.stringify({ name, version, node }) : version);
    });
}
