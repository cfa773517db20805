import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import treeSitter from '@vscode/tree-sitter-wasm';

// Without it V8 spends ten seconds of a processor on a better compiled grammar, and the process ends no sooner.
setFlagsFromString('--liftoff-only');

await treeSitter.Parser.init();
const grammar = '@vscode/tree-sitter-wasm/wasm/tree-sitter-powershell.wasm';
const language = await treeSitter.Language.load(createRequire(import.meta.url).resolve(grammar));

/**
 * Where a text is not PowerShell, line by line; PowerShell itself is never asked. The grammar lets a few
 * things pass that PowerShell does not, such as a `try` alone.
 */
export function powershellErrors(text: string): readonly string[] {
  const parser = new treeSitter.Parser().setLanguage(language);
  const tree = parser.parse(text);
  const errors = tree === null ? ['it was not parsed'] : errorsBelow(tree.rootNode);
  tree?.delete();
  parser.delete();
  return errors;
}

type Node = InstanceType<typeof treeSitter.Node>;

function errorsBelow(node: Node): readonly string[] {
  const line = `line ${node.startPosition.row + 1}`;
  if (node.isMissing) return [`${line}: ${node.type} is missing`];
  if (node.isError) return [`${line}: ${node.text.split('\n', 1)[0] ?? ''}`];
  if (!node.hasError) return [];
  return node.children.flatMap((child) => (child === null ? [] : errorsBelow(child)));
}
