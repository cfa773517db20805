import { allCommands, type CommandNode } from './command-tree.ts';

/** A completion script for PowerShell 5.1 and newer, to be dot-sourced from $PROFILE. */
export function powershellCompletion(root: CommandNode): string {
  const rows = allCommands(root).map(({ path, node }) => {
    const words = [
      ...node.commands.map(({ name }) => name),
      ...node.options.flatMap(({ flags }) => flags),
    ];
    return `    '${path.join(' ')}' = @(${words.map((word) => `'${word}'`).join(', ')})`;
  });
  return `# PowerShell completion for ${root.name}; made by \`${root.name} completion powershell\`
Register-ArgumentCompleter -Native -CommandName '${root.name}' -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $known = @{
${rows.join('\n')}
  }
  $path = ''
  foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    $next = ("$path " + $element.ToString()).Trim()
    if ($known.ContainsKey($next)) { $path = $next }
  }
  $known[$path] | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}
