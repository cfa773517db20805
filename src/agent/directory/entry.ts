import type { Entry } from 'ldapts';
import { Int64 } from '../../protocol/shapes.ts';
import { DirectoryError } from './directory.ts';

type Value = string | Buffer;

/** One object as a controller showed it, read by what the attributes are and not by how they came. */
export class DirectoryEntry {
  readonly dn: string;
  readonly #controller: string;
  readonly #values = new Map<string, readonly Value[]>();

  constructor(entry: Entry, controller: string) {
    this.dn = entry.dn;
    this.#controller = controller;
    for (const [name, value] of Object.entries(entry)) {
      // Many values come as `name;range=0-1499` (MS-ADTS 3.1.1.3.1.3.3); ldapts answers what is absent by [].
      const values: readonly Value[] = Array.isArray(value) ? value : [value];
      if (values.length > 0) this.#values.set(name.toLowerCase(), values);
    }
  }

  has(attribute: string): boolean {
    const name = attribute.toLowerCase();
    return (
      this.#values.has(name) || [...this.#values.keys()].some((key) => key.startsWith(`${name};`))
    );
  }

  /** Every value as text; empty when there is none. */
  texts(attribute: string): readonly string[] {
    return this.#all(attribute).map(String);
  }

  text(attribute: string): string | undefined {
    return this.texts(attribute)[0];
  }

  /** Every value as it was on the wire; empty when there is none. */
  bytes(attribute: string): readonly Buffer[] {
    return this.#all(attribute).map((value) =>
      Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8'),
    );
  }

  /** A 64-bit integer in decimal; undefined when there is none, `DIRECTORY_CONFIG` when it is something else. */
  int64(attribute: string): string | undefined {
    const value = this.text(attribute);
    if (value === undefined || Int64.safeParse(value).success) return value;
    throw this.unreadable(attribute);
  }

  /** As `int64`, for what fits a number. */
  int32(attribute: string): number | undefined {
    const value = this.int64(attribute);
    return value === undefined ? undefined : Number(value);
  }

  /** The value, or the error that a missing one is. */
  required<T>(attribute: string, value: T | undefined): T {
    if (value === undefined) throw this.unreadable(attribute);
    return value;
  }

  unreadable(attribute: string): DirectoryError {
    return new DirectoryError(
      'DIRECTORY_CONFIG',
      `${this.#controller} does not show ${attribute}: let the service account read it`,
      { controller: this.#controller },
    );
  }

  #all(attribute: string): readonly Value[] {
    return this.#values.get(attribute.toLowerCase()) ?? [];
  }
}
