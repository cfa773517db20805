import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { usePostgres } from '../lab/use-postgres.ts';
import { runProgram } from '../support/program.ts';

const server = usePostgres();

test('a service is set up on PostgreSQL from the command line', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'passback-postgres-'));
  try {
    const { user, password, database } = await server.createDatabase();
    const [urlFile, caFile] = [join(folder, 'database.url'), join(folder, 'ca.pem')];
    const url = `postgres://${user}:${password.reveal()}@localhost:${server.port}/${database}?sslmode=verify-full`;
    await writeFile(urlFile, url, { mode: 0o600 });
    await writeFile(caFile, server.ca);
    const data = ['--data', join(folder, 'data')];
    const where = ['--database-url-file', urlFile, '--database-ca', caFile];
    const run = (...args: string[]) => runProgram('cloud', args);
    expect(await run('init', '--url', 'https://reset.example', ...data, ...where)).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await run('directory', 'add', 'corp', ...data)).toMatchObject({ code: 0 });
    const wish = ['--directory', 'corp', '--scopes', 'admin', '--actor', 'anna'];
    const out = join(folder, 'admin.key');
    expect(await run('key', 'add', ...wish, '--out', out, ...data)).toMatchObject({ code: 0 });
    expect((await run('key', 'list', ...data)).stdout).toContain('anna');
    const rows = await server.query(database, 'select id from directories');
    expect(rows).toEqual([{ id: 'corp' }]);

    await server.query('postgres', `alter role ${user} nologin`);
    const refused = await run('key', 'list', ...data);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('pg_hba.conf');
    expect(refused.stderr + refused.stdout).not.toContain(password.reveal());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
