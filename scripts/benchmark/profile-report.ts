import type { CpuProfile } from './cpu-profile.ts';
import { barPlot, writePlot } from './plot.ts';
import { table } from './table.ts';

/** What the agent's main thread does with its time, as a table. */
export function profileTable({ parts, idle }: CpuProfile): string {
  return [
    table(
      ["the agent's main thread", 'share of its time'],
      parts.map(({ what, share }) => [what, percent(share)]),
    ),
    `Beside it, ${percent(idle)} of the whole: it waited, mostly for WebCrypto and the journal's syncs, which other threads do on the same core.`,
  ].join('\n\n');
}

/** Draws the same; resolves with the file. */
export function drawProfile({ parts }: CpuProfile): Promise<string> {
  return writePlot(
    'profile.svg',
    barPlot("What the time of the agent's main thread goes into", parts),
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
