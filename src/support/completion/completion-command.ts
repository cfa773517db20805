import { Argument, type Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { bashCompletion } from './bash.ts';
import { commandTree, type CommandNode } from './command-tree.ts';
import { fishCompletion } from './fish.ts';
import { powershellCompletion } from './powershell.ts';
import { zshCompletion } from './zsh.ts';

const SHELLS: Readonly<Record<string, (root: CommandNode) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
  powershell: powershellCompletion,
};

function notes(program: string): string {
  return `
Examples:
  source <(${program} completion bash)
  ${program} completion bash | sudo tee /etc/bash_completion.d/${program} >/dev/null
  ${program} completion zsh > "\${fpath[1]}/_${program}"
  ${program} completion fish > ~/.config/fish/completions/${program}.fish
  ${program} completion powershell | Out-String | Invoke-Expression`;
}

/** Adds `completion SHELL` for all commands that the program has when it is run. */
export function addCompletionCommand(program: Command, terminal: Pick<Terminal, 'print'>): void {
  program
    .command('completion')
    .description('print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(SHELLS)))
    .addHelpText('after', notes(program.name()))
    .action((shell: string) => {
      const make = SHELLS[shell];
      if (make !== undefined) terminal.print(make(commandTree(program)).trimEnd());
    });
}
