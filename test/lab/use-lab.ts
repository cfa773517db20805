import { inject } from 'vitest';
import type { LabDescription } from './description.ts';
import { connectLab, type Lab } from './lab.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly lab: LabDescription;
  }
}

/** The one lab of this test run, for tests of the project `directory`. */
export function useLab(): Lab {
  return connectLab(inject('lab'));
}
