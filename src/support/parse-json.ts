/**
 * What a text says as JSON; undefined when it is none, for a schema to report as any other shape.
 * Never throws: the error would quote the text, and what came from outside may be a secret.
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
