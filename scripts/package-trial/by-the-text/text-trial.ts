import type { Lab } from '../../../test/lab/lab.ts';
import type { Steps } from '../steps.ts';
import type { Hosts } from './hosts.ts';

/** What somebody needs who does what a text says. */
export interface TextTrial {
  readonly lab: Lab;
  readonly steps: Steps;
  readonly hosts: Hosts;
}
