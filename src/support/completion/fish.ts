import { allCommands, type CommandNode, type OptionNode } from './command-tree.ts';

/** A completion script for fish, to be put into ~/.config/fish/completions/. */
export function fishCompletion(root: CommandNode): string {
  const program = root.name;
  const lines = allCommands(root).flatMap(({ path, node }) => {
    const when = condition(path, node);
    return [
      ...node.commands.map(
        ({ name, description }) =>
          `complete -c ${program} -f -n ${quoted(when)} -a ${name} -d ${quoted(description)}`,
      ),
      ...node.options.map((option) => optionLine(program, when, option)),
    ];
  });
  return `# fish completion for ${program}; made by \`${program} completion fish\`\n${lines.join('\n')}\n`;
}

/** All words that lead there were typed, and none that leads on. */
function condition(path: readonly string[], { commands }: CommandNode): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const names = commands.map(({ name }) => name);
  const notYet = names.length === 0 ? [] : [`not __fish_seen_subcommand_from ${names.join(' ')}`];
  return [...seen, ...notYet].join('; and ');
}

const VALUES = { none: '', file: ' -r -F', folder: ' -r -F', other: ' -x' };

function optionLine(program: string, when: string, option: OptionNode): string {
  const names = option.flags.map((flag) =>
    flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
  );
  return `complete -c ${program} -n ${quoted(when)} ${names.join(' ')}${VALUES[option.value]} -d ${quoted(option.description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}
