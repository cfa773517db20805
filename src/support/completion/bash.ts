import { allCommands, type CommandNode } from './command-tree.ts';

/** A completion script for bash 4 and newer; works without the package bash-completion. */
export function bashCompletion(root: CommandNode): string {
  const all = allCommands(root);
  const fn = `_${root.name.replaceAll('-', '_')}`;
  const words = all.map(({ path, node }) => {
    const names = node.commands.map(({ name }) => name);
    const flags = node.options.flatMap((option) => option.flags);
    return `    '${path.join(' ')}') words='${[...names, ...flags].join(' ')}' ;;`;
  });
  const values = (kind: string): string => {
    const options = all.flatMap(({ node }) => node.options.filter(({ value }) => value === kind));
    return [...new Set(options.flatMap(({ flags }) => flags))].join('|') || '--';
  };
  return `# bash completion for ${root.name}; made by \`${root.name} completion bash\`
${fn}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local path='' word words='' i
  COMPREPLY=()
  case $previous in
    ${values('file')}) compopt -o filenames 2>/dev/null || :; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${values('folder')}) compopt -o filenames 2>/dev/null || :; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    ${values('other')}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path\${path:+ }$word" in
      ${commandPaths(all)}) path="$path\${path:+ }$word" ;;
    esac
  done
  case $path in
${words.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F ${fn} ${root.name}
`;
}

function commandPaths(all: readonly { readonly path: readonly string[] }[]): string {
  const paths = all.filter(({ path }) => path.length > 0);
  return paths.map(({ path }) => `'${path.join(' ')}'`).join('|') || "''";
}
