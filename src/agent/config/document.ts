import { LineCounter, parseDocument } from 'yaml';
import type { ConfigProblem } from '../../support/config-error.ts';

export type Tree = Readonly<Record<string, unknown>>;

export interface Document {
  readonly tree: Tree;
  readonly problems: readonly ConfigProblem[];
}

/** Reads a YAML (or JSON, which is YAML) text. Problems name the line and quote nothing of it. */
export function parseConfig(text: string, file: string): Document {
  const lines = new LineCounter();
  // Pretty errors would quote the line, which may hold what should not be there.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const problems = document.errors.map(({ code, pos }) => {
    const { line, col } = lines.linePos(pos[0]);
    return {
      key: file,
      problem: `line ${line}, column ${col}: ${SYNTAX[code] ?? code.toLowerCase().replaceAll('_', ' ')}`,
    };
  });
  if (problems.length > 0) return { tree: {}, problems };
  const tree = treeOf(() => document.toJS({ maxAliasCount: 100 }) as unknown);
  if (tree !== undefined) return { tree, problems: [] };
  return {
    tree: {},
    problems: [{ key: file, problem: 'expected settings as `key: value` lines' }],
  };
}

const SYNTAX: Readonly<Partial<Record<string, string>>> = {
  BAD_INDENT: 'this line is not indented like its neighbours',
  TAB_AS_INDENT: 'YAML is indented with spaces, here is a tab',
  DUPLICATE_KEY: 'this setting is given twice',
  MISSING_CHAR: 'a closing quote, bracket or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a setting has to stand on one line; is a colon missing?',
  BLOCK_AS_IMPLICIT_KEY: 'two settings on one line',
  UNEXPECTED_TOKEN: 'this does not belong here',
};

function treeOf(read: () => unknown): Tree | undefined {
  let value: unknown;
  try {
    value = read();
  } catch {
    return undefined; // too many aliases, or one without its anchor
  }
  if (value === null || value === undefined) return {};
  return isTree(value) ? value : undefined;
}

/** Whether a value is a mapping with names. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
