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

/** What stands below a heading, up to the next one. Throws where there is none. */
export function sectionOf(text: string, heading: string): string {
  const [, section] = text.split(new RegExp(`^#+ ${heading}$`, 'm'));
  if (section === undefined) throw new Error(`the text no longer has “${heading}”`);
  return section.split(/^#+ /m, 1).join('');
}

/** What a text gives in its sentences to be run, each once: one of our programs or scripts, with at least a word more. */
export function commandsSaid(text: string): readonly string[] {
  const sentences = text.replaceAll(/^```[^]*?^```$/gm, '');
  const quoted = [...sentences.matchAll(/`([^`]+)`/g)].map(([, words = '']) =>
    words.replaceAll(/\s+/g, ' '),
  );
  const isCommand = /^(?:\.\/scripts\/|(?:passback|passback-cloud|npm|node) )/;
  return [...new Set(quoted.filter((words) => isCommand.test(words)))];
}
