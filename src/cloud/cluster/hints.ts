/** What happened, in one word: the row of this id says the rest. */
const KINDS = ['operation', 'session', 'node', 'dispatch', 'run', 'call', 'answer'] as const;

export type HintKind = (typeof KINDS)[number];

/** "Look at this": losing one costs a moment, for everybody looks by himself, too. */
export interface Hint {
  readonly kind: HintKind;
  /** Of an operation, an agent, a node, a dispatch or a call. */
  readonly id: string;
}

/** Where a node listens; without an id, where all do. */
export function channelOf(node?: string): string {
  return node === undefined ? 'passback' : `passback_${node.replaceAll('-', '')}`;
}

/** The text of a hint, with who sends it. */
export function formatHint({ kind, id }: Hint, from: string): string {
  return `${kind} ${id} ${from}`;
}

/** The hint again; undefined for what is none, and for one's own. */
export function parseHint(text: string, own: string): Hint | undefined {
  const [kind, id, from, ...rest] = text.split(' ');
  const known = KINDS.find((each) => each === kind);
  if (known === undefined || id === undefined || id === '' || rest.length > 0) return undefined;
  return from === own ? undefined : { kind: known, id };
}
