import type { OutcomeCode } from '../../protocol/codes.ts';
import { CLOCK_TOLERANCE_S } from '../../protocol/command.ts';
import { sha256, signedHash } from '../../protocol/digest.ts';
import type { Place, Placed, SignedPlace } from './journal-file.ts';
import type { Intent, Signed } from './journal-records.ts';

/** What the journal knows of an operation. */
export interface KnownCommand {
  readonly digest: string;
  /** The dispatch that it was last begun or answered for. */
  readonly jti: string;
  /** Its newest write while it has no outcome: it may or may not have happened. */
  readonly intent?: Intent;
}

/** A write that was begun, and what came of it where that is known: what rate limits count. */
export interface Begun extends Pick<Intent, 'cmd' | 'objectGuid' | 'by' | 'actor' | 'op'> {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly code?: OutcomeCode;
}

/** Where a record lies: in the file that the index is of, which a compaction exchanges. */
export interface Location {
  offset: number;
  readonly length: number;
}

interface SignedLocation extends Location {
  readonly seq: number;
  /** Until when it may be asked for, or its token be replayed; epoch milliseconds. */
  readonly endMs: number;
}

/** A day of operations is kept, so what an answered one holds counts: what was signed is read from the file. */
interface Remembered extends KnownCommand {
  /** Its newest intent. */
  readonly written?: Location | undefined;
  readonly outcome?: SignedLocation;
  /** Its write, once it is answered; absent when it was answered without one. */
  readonly begun?: Begun | undefined;
}

/** What a compaction leaves. */
export interface Needed {
  /** In their order. */
  readonly lines: readonly Location[];
  /**
   * Operations whose time was over before this may have been forgotten, now or earlier; -Infinity: none
   * was. By what was forgotten and not by the clock, which may have leapt: it never goes down.
   */
  readonly floorMs: number;
}

/** What the records of the journal's file amount to, and where what they signed lies in it. */
export class JournalIndex {
  readonly #commands = new Map<string, Remembered>();
  readonly #open = new Map<string, Intent>();
  readonly #refusals = new Map<string, SignedLocation>();
  /** Signed outcomes and refusals by their number, oldest first. */
  readonly #trail = new Map<number, SignedLocation>();
  #epoch = '';
  #seq = 0;
  #head = '';
  #floor = -Infinity;
  #toggle: { readonly jws: string; readonly location: Location } | undefined;

  get epoch(): string {
    return this.#epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get head(): string {
    return this.#head;
  }

  get floor(): number {
    return this.#floor;
  }

  get toggle(): string | undefined {
    return this.#toggle?.jws;
  }

  get open(): ReadonlyMap<string, Intent> {
    return this.#open;
  }

  get trail(): ReadonlyMap<number, SignedPlace> {
    return this.#trail;
  }

  get refusals(): ReadonlyMap<string, SignedPlace> {
    return this.#refusals;
  }

  get commands(): ReadonlyMap<string, Remembered> {
    return this.#commands;
  }

  /** Every write that is remembered, oldest first. */
  *begun(): Generator<Begun> {
    for (const { intent, begun } of this.#commands.values()) {
      if (begun !== undefined) yield begun;
      else if (intent !== undefined) yield toBegun(intent);
    }
  }

  /** Takes in the next record of the file. */
  remember({ record, place }: Placed): void {
    switch (record.type) {
      case 'epoch':
        this.#epoch = record.epoch;
        this.#seq = record.seq ?? 0;
        this.#head = record.head ?? sha256(record.epoch);
        this.#floor = record.floor === undefined ? -Infinity : Date.parse(record.floor);
        return;
      case 'intent': {
        const { cmd, digest, jti } = record;
        // Written once more it is the newest, as it is for whoever reads what a compaction has left.
        for (const known of [this.#open, this.#commands]) known.delete(cmd);
        this.#open.set(cmd, record);
        this.#commands.set(cmd, { digest, jti, intent: record, written: { ...place } });
        return;
      }
      case 'toggle':
        this.#toggle = { jws: record.jws, location: { ...place } };
        return;
      case 'outcome':
        this.#rememberSigned(record, Date.parse(record.notAfter), place);
        return;
      case 'refusal':
        this.#rememberSigned(record, Date.parse(record.expires) + CLOCK_TOLERANCE_S * 1000, place);
    }
  }

  /**
   * What the file still has to hold beside its epoch: every write that is not resolved, the newest
   * toggle, refusals of tokens that could be replayed after `floorMs`, operations that may be asked
   * for after it, and what the service may not have heard of: numbers after `confirmed`.
   */
  needed(confirmed: number, floorMs: number): Needed {
    const lines: Location[] = [];
    const isNeeded = ({ seq, endMs }: SignedLocation): boolean =>
      seq > confirmed || endMs > floorMs;
    for (const signed of this.#trail.values()) if (isNeeded(signed)) lines.push(signed);
    let forgottenMs = this.#floor;
    for (const { written, outcome } of this.#commands.values()) {
      if (outcome !== undefined && !isNeeded(outcome)) {
        forgottenMs = Math.max(forgottenMs, outcome.endMs);
      }
      if (written === undefined) continue;
      if (outcome === undefined || outcome.endMs > floorMs) lines.push(written);
    }
    if (this.#toggle !== undefined) lines.push(this.#toggle.location);
    return { lines: lines.sort((one, other) => one.offset - other.offset), floorMs: forgottenMs };
  }

  /**
   * The file was exchanged for one that begins with `first` and goes on with `needed`. Forgets
   * everything else, and answers as an index that was read from it would.
   */
  exchanged(first: Placed, needed: readonly Location[]): void {
    const stays = new Set(needed);
    for (const [jti, refusal] of this.#refusals) {
      if (!stays.has(refusal)) this.#refusals.delete(jti);
    }
    for (const [seq, signed] of this.#trail) {
      if (!stays.has(signed)) this.#trail.delete(seq);
    }
    for (const [cmd, { digest, jti, written, outcome }] of this.#commands) {
      if (outcome === undefined) continue;
      if (!stays.has(outcome)) this.#commands.delete(cmd);
      else if (written !== undefined && !stays.has(written)) {
        this.#commands.set(cmd, { digest, jti, outcome });
      }
    }
    let offset = first.place.offset + first.place.length + 1;
    for (const location of needed) {
      location.offset = offset;
      offset += location.length + 1;
    }
    this.remember(first);
  }

  #rememberSigned(record: Signed, endMs: number, { offset, length }: Place): void {
    const place = { seq: record.seq, endMs, offset, length };
    if (record.type === 'outcome') this.#answered(record, place);
    else {
      this.#refusals.set(record.jti, place);
      this.#withdraw(record);
    }
    this.#trail.set(record.seq, place);
    // A compacted journal knows its end before what is left of its past.
    if (record.seq <= this.#seq) return;
    this.#seq = record.seq;
    this.#head = signedHash(record.jws);
  }

  #answered({ cmd, jti, digest, code }: Signed, outcome: SignedLocation): void {
    const { intent, written, begun } = this.#commands.get(cmd) ?? {};
    const answered = intent === undefined ? begun : toBegun(intent, code);
    this.#open.delete(cmd);
    this.#commands.set(cmd, { digest, jti, outcome, written, begun: answered });
  }

  /** Turned away after its own intent: nothing was sent, so a later dispatch starts afresh. */
  #withdraw({ cmd, jti }: { readonly cmd: string; readonly jti: string }): void {
    const known = this.#commands.get(cmd);
    if (known?.jti !== jti || known.outcome !== undefined) return;
    this.#commands.delete(cmd);
    this.#open.delete(cmd);
  }
}

function toBegun({ cmd, objectGuid, by, actor, op, at }: Intent, code?: OutcomeCode): Begun {
  const atMs = Date.parse(at);
  // Written out: what a spread makes takes twice the memory.
  if (code === undefined) return { cmd, objectGuid, by, actor, op, at: atMs };
  return { cmd, objectGuid, by, actor, op, at: atMs, code };
}
