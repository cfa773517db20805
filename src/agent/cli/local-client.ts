import { request } from 'node:http';
import { isFault } from '../../support/errors.ts';
import { UsageError } from '../../support/usage-error.ts';

const WITHIN_MS = 5_000;
const MAX_BYTES = 1024 * 1024;

interface Asked {
  readonly socket: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

/**
 * The JSON that the running agent answers with; undefined when none is running there. Rejects with
 * `UsageError` when one may be, and this account may not speak to it or it does not answer.
 */
export async function askAgent(asked: Asked): Promise<unknown> {
  try {
    return await answerOf(asked);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    if (isFault(error)) throw error;
    throw new UsageError(
      code === 'EACCES' || code === 'EPERM'
        ? `${asked.socket} may not be opened by this account: run this as the account of the agent, as a member of its group, or as root`
        : `the agent does not answer at ${asked.socket} (${code === '' ? String(error) : code})`,
    );
  }
}

function answerOf({ socket, method, path }: Asked): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(WITHIN_MS);
    const options = { socketPath: socket, method, path, headers: { host: 'localhost' }, signal };
    const asking = request({ ...options, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_BYTES) response.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
        } catch {
          reject(new UsageError(`what answers at ${socket} is no agent of this version`));
        }
      });
    });
    asking.on('error', reject);
    asking.end();
  });
}
