import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is drawn: lines over two linear axes. */
export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly PlotLine[];
}

export interface PlotLine {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const WIDTH = 640;
const HEIGHT = 360;
const MARGIN = { left: 64, right: 16, top: 40, bottom: 48 };
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37'];
const TICKS = 5;
// From what is compiled back to the sources.
const PLOTS = join(import.meta.dirname, '../../../scripts/benchmark/plots');

/** Puts an SVG document beside the other plots; resolves with where that is in the checkout. */
export async function writePlot(name: string, svg: string): Promise<string> {
  await mkdir(PLOTS, { recursive: true });
  await writeFile(join(PLOTS, name), svg);
  return `scripts/benchmark/plots/${name}`;
}

/** The plot as an SVG document; the vertical axis begins at 0. */
export function linePlot({ title, x, y, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const across = scale(
    points.map(([at]) => at),
    MARGIN.left,
    WIDTH - MARGIN.right,
  );
  const up = scale([0, ...points.map(([, level]) => level)], HEIGHT - MARGIN.bottom, MARGIN.top);
  const bottom = HEIGHT - MARGIN.bottom;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(HEIGHT)}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(WIDTH / 2, 20, title, 'middle'),
    text(WIDTH / 2, HEIGHT - 10, x, 'middle'),
    text(8, MARGIN.top - 12, y, 'start'),
    ...across.ticks.map((tick) => text(across.of(tick), bottom + 18, shown(tick), 'middle')),
    ...up.ticks.flatMap((tick) => [
      text(MARGIN.left - 8, up.of(tick) + 4, shown(tick), 'end'),
      `<path d="M${String(MARGIN.left)} ${fixed(up.of(tick))}H${String(WIDTH - MARGIN.right)}" stroke="#ddd"/>`,
    ]),
    ...lines.flatMap((line, i) => {
      const colour = COLOURS[i % COLOURS.length] ?? '#000';
      const path = line.points.map(([at, v]) => `${fixed(across.of(at))} ${fixed(up.of(v))}`);
      return [
        `<path d="M${path.join('L')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
        `<g fill="${colour}">${text(WIDTH - MARGIN.right - 8, bottom - 12 - 16 * i, line.name, 'end')}</g>`,
      ];
    }),
    '</svg>',
  ].join('\n')}\n`;
}

/** Shares of a whole, each a bar with its name and percents, as an SVG document. */
export function barPlot(
  title: string,
  bars: readonly { readonly what: string; readonly share: number }[],
): string {
  const [row, left, right] = [26, 300, 64];
  const height = MARGIN.top + bars.length * row + 16;
  const largest = Math.max(...bars.map(({ share }) => share));
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(height)}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text(WIDTH / 2, 20, title, 'middle'),
    ...bars.flatMap(({ what, share }, i) => {
      const top = MARGIN.top + i * row;
      const width = (share / largest) * (WIDTH - left - right);
      return [
        text(left - 8, top + 14, what, 'end'),
        `<rect x="${String(left)}" y="${String(top)}" width="${fixed(width)}" height="18" fill="#1f6feb"/>`,
        text(left + width + 6, top + 14, `${(share * 100).toFixed(1)} %`, 'start'),
      ];
    }),
    '</svg>',
  ].join('\n')}\n`;
}

interface Scale {
  readonly ticks: readonly number[];
  of(value: number): number;
}

function scale(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = niceStep((high - low || 1) / TICKS);
  const first = Math.floor(low / step) * step;
  const count = Math.ceil((high - first || 1) / step);
  const last = first + count * step;
  return {
    ticks: Array.from({ length: count + 1 }, (_, i) => first + i * step),
    of: (value) => from + ((value - first) / (last - first)) * (to - from),
  };
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(wish: number): number {
  const power = 10 ** Math.floor(Math.log10(wish));
  return ([1, 2, 5].find((factor) => factor * power >= wish) ?? 10) * power;
}

function text(x: number, y: number, content: string, anchor: string): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${safe}</text>`;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function fixed(value: number): string {
  return value.toFixed(1);
}
