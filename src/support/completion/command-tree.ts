import type { Command, Option } from 'commander';

/** One command of a program as a shell has to know it. */
export interface CommandNode {
  readonly name: string;
  readonly description: string;
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
}

export interface OptionNode {
  /** `--config`, and `-c` where there is one. */
  readonly flags: readonly string[];
  readonly description: string;
  /** What comes behind it: the name of a file, a folder, or something that no shell can know. */
  readonly value: 'none' | 'file' | 'folder' | 'other';
}

/** The commands and options of a program; what is hidden stays so. */
export function commandTree(command: Command): CommandNode {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    options: help.visibleOptions(command).map(optionNode),
    commands: help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map(commandTree),
  };
}

function optionNode({ short, long, description, flags, required, optional }: Option): OptionNode {
  const takesValue = required || optional;
  const placeholder = /[<[](\w+)/.exec(flags)?.[1] ?? '';
  const isPath = placeholder === 'file' || placeholder === 'folder';
  return {
    flags: [long, short].filter((flag) => flag !== undefined),
    description,
    value: takesValue ? (isPath ? placeholder : 'other') : 'none',
  };
}

/** Every command with the words that lead to it, the program itself first. */
export function allCommands(
  node: CommandNode,
  path: readonly string[] = [],
): readonly { readonly path: readonly string[]; readonly node: CommandNode }[] {
  return [
    { path, node },
    ...node.commands.flatMap((child) => allCommands(child, [...path, child.name])),
  ];
}
