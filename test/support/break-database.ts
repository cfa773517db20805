import Database from 'libsql';

/** Every statement about agents fails, as in a database that is damaged or away, until this is disposed. */
export function breakDatabase(file: string): Disposable {
  const rename = (from: string, to: string): void => {
    const database = new Database(file);
    database.exec(`alter table ${from} rename to ${to}`);
    database.close();
  };
  rename('agents', 'agents_away');
  return {
    [Symbol.dispose]: () => {
      rename('agents_away', 'agents');
    },
  };
}
