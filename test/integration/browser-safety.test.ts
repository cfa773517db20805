import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

/** With `sealing.ts`, which it imports, all that a page needs. */
const ENTRY = 'src/protocol/recipients.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** What a module loads when it runs: type-only imports are erased. */
async function importsOf(file: string): Promise<string[]> {
  const source = ts.createSourceFile(file, await readFile(file, 'utf8'), ts.ScriptTarget.ES2023);
  const imports: string[] = [];
  const visit = (node: ts.Node): void => {
    if (
      (ts.isImportDeclaration(node) &&
        node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword) ||
      (ts.isExportDeclaration(node) && !node.isTypeOnly)
    ) {
      const { moduleSpecifier } = node;
      if (moduleSpecifier !== undefined && ts.isStringLiteral(moduleSpecifier)) {
        imports.push(moduleSpecifier.text);
      }
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      imports.push(node.arguments[0]?.getText(source) ?? '?');
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

/** Everything that a module reaches: files of ours from the root, packages by name. */
async function reach(entry: string): Promise<{ files: Set<string>; packages: Set<string> }> {
  const files = new Set<string>();
  const packages = new Set<string>();
  const queue = [join(ROOT, entry)];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (files.has(relative(ROOT, file))) continue;
    files.add(relative(ROOT, file));
    for (const specifier of await importsOf(file)) {
      if (specifier.startsWith('.')) queue.push(join(dirname(file), specifier));
      else packages.add(specifier);
    }
  }
  return { files, packages };
}

test('sealing runs in a browser: it reaches only the protocol and three packages without Node', async () => {
  const { files, packages } = await reach(ENTRY);
  expect([...packages].sort()).toEqual(['canonicalize', 'jose', 'zod']);
  expect([...files].filter((file) => !file.startsWith(join('src', 'protocol')))).toEqual([]);
  expect(files.size).toBeGreaterThan(3);
});

const ONLY_NODE = new Set(['Buffer', 'process', 'require', '__dirname']);

/** What a file names as a value, a type or a member; not what stands in its texts and comments. */
async function namesIn(file: string): Promise<readonly string[]> {
  const source = ts.createSourceFile(file, await readFile(file, 'utf8'), ts.ScriptTarget.ES2023);
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

test('no file of the protocol names a thing that only Node has', async () => {
  const { files } = await reach(ENTRY);
  for (const file of files) {
    const names = await namesIn(join(ROOT, file));
    expect([file, names.filter((name) => ONLY_NODE.has(name))]).toEqual([file, []]);
  }
  expect(await namesIn(join(ROOT, 'src/agent/cli/become-owner.ts'))).toContain('process');
});

test('the graph sees what it must see: the agent reaches Node', async () => {
  const { packages } = await reach('src/support/secret.ts');
  expect([...packages]).toEqual(['node:util']);
});
