import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AtScale, Held } from './at-scale.ts';
import { linePlot } from './plot.ts';
import type { Storm } from './storm.ts';
import { table } from './table.ts';

// From what is compiled back to the sources.
const PLOTS = join(import.meta.dirname, '../../../scripts/benchmark/plots');

/** The tables of `--only scale`. */
export function scaleTables(scale: AtScale): readonly string[] {
  const { agents, perDirectory, bare, service, traffic, soak, storms } = scale;
  const row = (name: string, held: Held): readonly string[] => [
    name,
    mb(held.emptyRss),
    mb(held.fullRss),
    `${(held.perConnection / 1024).toFixed(1)} KiB`,
  ];
  const [first] = soak;
  const last = soak.at(-1);
  return [
    table(
      [
        `${String(agents)} idle connections over TLS, ${String(perDirectory)} agents to a directory`,
        'without any',
        'with all',
        'for each',
      ],
      [
        row('bare `wss` server', bare),
        row('the service', service),
        ['ratio', '', '', (service.perConnection / bare.perConnection).toFixed(2)],
      ],
    ),
    table(
      [
        'restart of the service',
        'down',
        ...(storms[0]?.back.map(({ share }) => `${String(share * 100)} % back`) ?? []),
        'failed tries, each with its first and last second',
      ],
      storms.map(stormRow),
    ),
    `Idle agent: ${traffic.perPing.toFixed(0)} bytes for a ping with its pong, ${traffic.perStatus.toFixed(0)} for a status report, TLS included; extrapolated to an hour (144 pings, 12 reports): ${(traffic.perHour / 1024).toFixed(1)} KiB.`,
    `Resident memory of the service with all connected: ${mb(first?.rss ?? NaN)} at the start of the rest, ${mb(last?.rss ?? NaN)} after ${String(last?.seconds ?? 0)} s.`,
  ];
}

/** Draws the curves; resolves with the files. */
export async function drawPlots({ agents, soak, storms }: AtScale): Promise<readonly string[]> {
  const files = {
    'reconnect.svg': linePlot({
      title: `${String(agents)} agents after a restart of the service`,
      x: 'seconds since it listens again',
      y: 'agents connected',
      lines: storms.map(({ signal, curve }) => ({
        name: signal,
        points: curve.map(({ seconds, up }) => [seconds, up] as const),
      })),
    }),
    'memory.svg': linePlot({
      title: `Resident memory with ${String(agents)} idle agents`,
      x: 'seconds',
      y: 'MB',
      lines: [
        { name: 'the service', points: soak.map(({ seconds, rss }) => [seconds, rss / 2 ** 20]) },
      ],
    }),
  };
  await mkdir(PLOTS, { recursive: true });
  const written: string[] = [];
  for (const [name, svg] of Object.entries(files)) {
    await writeFile(join(PLOTS, name), svg);
    written.push(`scripts/benchmark/plots/${name}`);
  }
  return written;
}

function stormRow({ signal, downSeconds, back, refused }: Storm): readonly string[] {
  return [
    signal === 'SIGKILL' ? 'kill -9' : signal,
    `${downSeconds.toFixed(1)} s`,
    ...back.map(({ seconds }) => (seconds === undefined ? 'never' : `${seconds.toFixed(1)} s`)),
    refused
      .map(
        ({ reason, count, firstSeconds, lastSeconds }) =>
          `${String(count)} × ${reason} (${firstSeconds.toFixed(1)} to ${lastSeconds.toFixed(1)} s)`,
      )
      .join('; ') || 'none',
  ];
}

function mb(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`;
}
