import { spawn } from 'node:child_process';

export interface DockerAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  /** Both streams in the order they came. */
  readonly output: string;
}

/** Runs the docker client. Resolves with whatever exit code it ended with; `input` reaches the command by stdin. */
export async function tryDocker(args: readonly string[], input = ''): Promise<DockerAnswer> {
  const child = spawn('docker', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const output: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout.push(chunk);
    output.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output.push(chunk);
  });
  // A command that ends before it has read its input is not an error of ours.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new Error('the lab needs the docker client on the PATH', { cause }));
    });
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  return {
    exitCode,
    stdout: Buffer.concat(stdout).toString('utf8'),
    output: Buffer.concat(output).toString('utf8'),
  };
}

/** As `tryDocker`, but rejects on any exit code except 0. Resolves with what went to stdout, trimmed. */
export async function docker(args: readonly string[], input = ''): Promise<string> {
  const answer = await tryDocker(args, input);
  if (answer.exitCode !== 0) {
    throw new Error(`docker ${args.slice(0, 2).join(' ')}: ${answer.output.trim().slice(-2_000)}`);
  }
  return answer.stdout.trim();
}
