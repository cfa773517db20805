import { allCommands, type CommandNode, type OptionNode } from './command-tree.ts';

/** A completion script for zsh, to be put as `_NAME` into a folder of $fpath, or to be sourced. */
export function zshCompletion(root: CommandNode): string {
  const functions = allCommands(root).map(({ path, node }) => commandFunction(root, path, node));
  const fn = functionName(root, []);
  return `#compdef ${root.name}
# zsh completion for ${root.name}; made by \`${root.name} completion zsh\`
${functions.join('\n')}
if [ "$funcstack[1]" = "${fn}" ]; then
  ${fn} "$@"
else
  compdef ${fn} ${root.name}
fi
`;
}

function commandFunction(root: CommandNode, path: readonly string[], node: CommandNode): string {
  const specs = node.options.flatMap(optionSpecs).map((spec) => `    ${spec} \\`);
  if (node.commands.length === 0) {
    return `${functionName(root, path)}() {
  _arguments -s -S \\
${specs.join('\n')}
    '*:file:_files'
}`;
  }
  const names = node.commands.map(
    ({ name, description }) => `    ${quoted(`${name}:${description}`)}`,
  );
  const cases = node.commands.map(
    ({ name }) => `        ${name}) ${functionName(root, [...path, name])} ;;`,
  );
  return `${functionName(root, path)}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${names.join('\n')}
  )
  _arguments -C \\
${specs.join('\n')}
    '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $line[1] in
${cases.join('\n')}
      esac ;;
  esac
}`;
}

const ACTIONS = { none: '', file: ':file:_files', folder: ':folder:_files -/', other: ':value:' };

function optionSpecs({ flags, description, value }: OptionNode): readonly string[] {
  const text = description.replaceAll(/[[\]:\\]/g, ' ');
  return flags.map((flag) => quoted(`${flag}[${text}]${ACTIONS[value]}`));
}

function functionName(root: CommandNode, path: readonly string[]): string {
  return `_${[root.name, ...path].join('_').replaceAll('-', '_')}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
