/** The folder that is installed on Windows. */
export async function windowsBundle(): Promise<string> {
  return Promise.resolve('/tmp/win/node/app');
}
