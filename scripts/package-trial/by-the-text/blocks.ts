/** What a text gives to be typed into a shell. */
export interface Block {
  /** The section that it stands in, as its heading says. */
  readonly section: string;
  /** The words in bold that begin the paragraph before it, without their number; where it is typed. */
  readonly where: string;
  /** As it stands there. */
  readonly script: string;
}

/** The `sh` blocks of a text, in order. */
export function blocksOf(text: string): readonly Block[] {
  let [section, where] = ['', ''];
  return text.split(/^(```\w*\n[^]*?^```)$/m).flatMap((part) => {
    const [, script] = /^```sh\n([^]*?)^```$/m.exec(part) ?? [];
    if (script !== undefined) return [{ section, where, script }];
    if (part.startsWith('```')) return [];
    for (const [, heading, bold] of part.matchAll(/^#+ (.*)$|^\*\*(?:\d+\. )?(.*?)\*\*/gm)) {
      if (heading !== undefined) [section, where] = [heading, ''];
      else where = bold ?? '';
    }
    return [];
  });
}

/** The commands of a block one by one: a line each, where a backslash does not go on. */
export function commandsOf({ script }: Block): readonly string[] {
  return script
    .replaceAll(/ *\\\n */g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** A command that stands in a sentence of the text. Throws where it does not, or no longer so. */
export function saidIn(text: string, command: string): string {
  if (text.includes(`\`${command}\``)) return command;
  throw new Error(`the text no longer says \`${command}\``);
}
