import { open } from 'node:fs/promises';
import { Kysely, sql, SqliteDialect, type SqliteDatabase, type SqliteStatement } from 'kysely';
import Database from 'libsql';
import { kyselyStore, migrate } from './kysely-store.ts';
import { StoreError, type Store } from './store.ts';
import type { Tables } from './tables.ts';

const BUSY_TIMEOUT_MS = 5_000;

/** Opens (or makes) the database file, readable by its owner only, and brings its schema up to date. */
export async function openSqliteStore(path: string): Promise<Store> {
  await createPrivately(path);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: openDatabase(path) }) });
  try {
    await migrate(db);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  // `secure_delete` clears pages; earlier ones stay in the write-ahead log until that is truncated.
  const scrub = async (): Promise<void> => {
    await sql`pragma wal_checkpoint(truncate)`.execute(db);
  };
  // One connection: transactions wait for each other.
  return kyselyStore(db, {
    scrub,
    isInTheWay: () => false,
    tries: 1,
    hasNodes: false,
    lockRows: false,
  });
}

/** SQLite gives its journals the mode of the database file, so that has to be right from the start. */
async function createPrivately(path: string): Promise<void> {
  try {
    await (await open(path, 'a', 0o600)).close();
  } catch (error) {
    throw new StoreError(`store: cannot open ${path}; check the folder and who owns it`, {
      cause: error,
    });
  }
}

function openDatabase(path: string): SqliteDatabase {
  const database = guarded(() => {
    const opened = new Database(path);
    for (const pragma of [
      `busy_timeout = ${BUSY_TIMEOUT_MS}`,
      'journal_mode = WAL',
      'synchronous = FULL',
      'foreign_keys = ON',
      'secure_delete = ON',
    ]) {
      opened.pragma(pragma);
    }
    return opened;
  });
  // The program has a few dozen statements and says each of them often.
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => {
      statements.clear();
      foldJournal(database);
      database.close();
    },
    prepare: (sql) => {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const statement = guardedStatement(guarded(() => database.prepare(sql)));
      // Transactions and the schema are spelled once each; a prepared one of them is not reusable.
      if (/^(?:select|insert|update|delete)\b/i.test(sql)) statements.set(sql, statement);
      return statement;
    },
  };
}

/**
 * Makes the database one file again, as whoever copies it expects. The driver's close leaves its journals
 * until the last statement is collected. While another program has the database open, they are its own.
 */
function foldJournal(database: Database.Database): void {
  try {
    database.pragma('busy_timeout = 0');
    database.pragma('journal_mode = DELETE');
  } catch {
    // They stay, whole; the next one who opens it reads them.
  }
}

function guardedStatement(statement: Database.Statement): SqliteStatement {
  return {
    reader: statement.reader,
    all: (parameters) => guarded(() => statement.all(...parameters)),
    run: (parameters) => guarded(() => statement.run(...parameters)),
    iterate: (parameters) => guarded(() => statement.iterate(...parameters)),
  };
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new StoreError(`store: ${whyOf(error)}`, { cause: error });
  }
}

const IN_WORDS: Readonly<Partial<Record<string, string>>> = {
  SQLITE_NOTADB: 'the file is no database; put the data folder back from a backup',
  SQLITE_CORRUPT: 'the database is damaged; put the data folder back from a backup',
  SQLITE_FULL: 'the disk is full; make room',
  SQLITE_READONLY: 'the database may not be written by this account',
  SQLITE_BUSY: 'another program has locked the database; end it',
};

/** The driver's own message may quote what was to be written: only its code is passed on. */
function whyOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  return IN_WORDS[code] ?? `the database did not do it (${code})`;
}
