import type { AtScale, Held } from './at-scale.ts';
import { linePlot, writePlot, type Plot, type PlotLine } from './plot.ts';
import type { Reconnect, Storm } from './reconnect.ts';
import { table } from './table.ts';

/** The tables of `--only scale`. */
export function scaleTables(scale: AtScale): readonly string[] {
  const { agents, perDirectory, bare, service, traffic, soak } = scale;
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
    `Idle agent: ${traffic.perPing.toFixed(0)} bytes for a ping with its pong, ${traffic.perStatus.toFixed(0)} for a status report, TLS included; extrapolated to an hour (144 pings, 12 reports): ${(traffic.perHour / 1024).toFixed(1)} KiB.`,
    `Resident memory of the service with all connected: ${mb(first?.rss ?? NaN)} at the start of the rest, ${mb(last?.rss ?? NaN)} after ${String(last?.seconds ?? 0)} s.`,
  ];
}

/** The table of `--only reconnect`. */
export function reconnectTable({ agents, perDirectory, storms }: Reconnect): string {
  return table(
    [
      `${String(agents)} agents, ${String(perDirectory)} to a directory`,
      'nobody listened',
      ...(storms[0]?.back.map(({ share }) => `${String(share * 100)} % back`) ?? []),
      'failed tries, each with its first and last second',
    ],
    storms.map(stormRow),
  );
}

/** Draws the memory for so many connections; resolves with the file. */
export function drawMemory({ agents, bare, service }: AtScale): Promise<string> {
  const line = (name: string, { steps }: Held): PlotLine => ({
    name,
    points: steps.map(({ connections, rss }) => [connections, rss / 2 ** 20] as const),
  });
  return draw('memory.svg', {
    title: `Resident memory with up to ${String(agents)} idle connections over TLS`,
    x: 'connections',
    y: 'MB',
    lines: [line('the service', service), line('bare wss server', bare)],
  });
}

/** Draws the agents that are back over time; resolves with the file. */
export function drawReconnect({ agents, storms }: Reconnect): Promise<string> {
  return draw('reconnect.svg', {
    title: `${String(agents)} agents after a restart of the service`,
    x: 'seconds since it listens again',
    y: 'connected',
    lines: storms.map(({ what, curve }) => ({
      name: what.replaceAll('`', ''),
      points: curve.map(({ seconds, up }) => [seconds, up] as const),
    })),
  });
}

function draw(name: string, plot: Plot): Promise<string> {
  return writePlot(name, linePlot(plot));
}

function stormRow({ what, downSeconds, back, refused }: Storm): readonly string[] {
  return [
    what,
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
