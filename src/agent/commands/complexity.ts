/** The five classes that `Passwords must meet complexity requirements` counts (MS-SAMR 3.1.1.7.2). */
type CharacterClass = 'upper' | 'lower' | 'digit' | 'special' | 'other';

const CLASSES: readonly CharacterClass[] = ['upper', 'lower', 'digit', 'special', 'other'];
const NEEDED = 3;

/** Whether a password has characters of three classes; `unclear` where it depends on who counts. */
export type Complexity = 'met' | 'broken' | 'unclear';

/**
 * Counts classes by every reading of the rule there is. MS-SAMR has the English letters only, the
 * text of the setting all European ones, and neither says what a space, a currency sign or an
 * emoji is: Samba counts the latter two as `other`.
 */
export function complexityOf(password: string): Complexity {
  const characters = [...new Set(password)].map(possibleClasses);
  const definite = characters.filter(({ counted }) => counted).map(({ classes }) => classes);
  const most = new Set(characters.flatMap(({ classes }) => classes)).size;
  if (most < NEEDED) return 'broken';
  return subsetsBelow(NEEDED).some((few) => definite.every((classes) => meets(classes, few)))
    ? 'unclear'
    : 'met';
}

interface Possible {
  readonly classes: readonly CharacterClass[];
  /** It is in one of them for certain; else it may be in none. */
  readonly counted: boolean;
}

function possibleClasses(character: string): Possible {
  for (const [pattern, classes, counted] of POSSIBLE) {
    if (pattern.test(character)) return { classes, counted };
  }
  return { classes: ['special', 'other'], counted: false };
}

/** First match wins. */
const POSSIBLE: readonly (readonly [RegExp, readonly CharacterClass[], boolean])[] = [
  [/[A-Z]/, ['upper'], true],
  [/[a-z]/, ['lower'], true],
  [/[0-9]/, ['digit'], true],
  [/[~!@#$%^&*_\-+=`|\\(){}[\]:;"'<>,.?/]/, ['special'], true],
  // Windows sees two halves here, and neither is a letter.
  [/[\u{10000}-\u{10ffff}]/u, CLASSES, false],
  [/\p{Lu}/u, ['upper', 'other'], true],
  [/\p{Ll}/u, ['lower', 'other'], true],
  [/\p{Lt}/u, ['upper', 'lower', 'other'], true],
  [/\p{L}/u, ['other'], true],
  [/\p{N}|\p{M}/u, CLASSES, false],
];

function subsetsBelow(size: number): readonly (readonly CharacterClass[])[] {
  const all = CLASSES.reduce<readonly (readonly CharacterClass[])[]>(
    (subsets, next) => [...subsets, ...subsets.map((subset) => [...subset, next])],
    [[]],
  );
  return all.filter((subset) => subset.length < size);
}

function meets(classes: readonly CharacterClass[], few: readonly CharacterClass[]): boolean {
  return classes.some((one) => few.includes(one));
}
