import type { DashboardPanel, DashboardRow } from './rows.js';

/** One line of a panel: its name and its points, time in seconds since 1970. */
export interface DrawnLine {
  readonly name: string;
  readonly points: readonly (readonly [at: number, value: number])[];
}

/** A panel and what its queries gave. */
export interface DrawnPanel {
  readonly panel: DashboardPanel;
  readonly lines: readonly DrawnLine[];
}

const PANEL_WIDTH = 400;
const PANEL_HEIGHT = 250;
const GAP = 12;
const MOST_COLUMNS = 3;
const STATE_HEIGHT = 16;
const MOST_STATES = 7;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 10, 30, 74];
const SHOWN_LINES = 6;
const LINE_COLOURS = ['#1b6ac9', '#d1495b', '#2e8b57', '#b8860b', '#7a4fa3', '#4c9f9f'];
const LEVEL_COLOURS = ['#e0b400', '#ff9830', '#e02f44', '#8b0f1e'];
const STATE_COLOURS: Readonly<Record<string, string>> = {
  green: '#56a64b',
  yellow: '#e0b400',
  red: '#e02f44',
  orange: '#ff9830',
  gray: '#d5d8dc',
};

/** The picture of a row as SVG: each panel as its queries answered, drawn by no Grafana. */
export function drawRow({ title }: DashboardRow, drawn: readonly DrawnPanel[], range: readonly [from: number, to: number]): string {
  const columns = drawn.length % MOST_COLUMNS === 0 ? MOST_COLUMNS : 2;
  const rows = Math.ceil(drawn.length / columns);
  const width = columns * (PANEL_WIDTH + GAP) + GAP;
  const height = rows * (PANEL_HEIGHT + GAP) + GAP + 24;
  const panels = drawn.map((each, index) => {
    const x = GAP + (index % columns) * (PANEL_WIDTH + GAP);
    const y = 24 + GAP + Math.floor(index / columns) * (PANEL_HEIGHT + GAP);
    return `<g transform="translate(${x},${y})">${panelOf(each, range)}</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" role="img" aria-label="${escaped(title)}"><rect width="100%" height="100%" fill="#f4f5f5"/><text x="${GAP}" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>${panels.join('')}</svg>\n`;
}

function panelOf(drawn: DrawnPanel, range: readonly [number, number]): string {
  const frame = `<rect width="${PANEL_WIDTH}" height="${PANEL_HEIGHT}" fill="#fff" stroke="#d5d8dc"/><text x="10" y="19" font-size="12" font-weight="bold">${escaped(drawn.panel.title)}</text>`;
  if (drawn.lines.every(({ points }) => points.length === 0)) {
    return `${frame}<text x="${PANEL_WIDTH / 2}" y="${PANEL_HEIGHT / 2}" text-anchor="middle" fill="#888">none in this run</text>`;
  }
  const shapes = { lines: linesOf, number: numberOf, states: statesOf } as const;
  return frame + shapes[drawn.panel.kind](drawn, range);
}

function linesOf({ panel, lines }: DrawnPanel, [from, to]: readonly [number, number]): string {
  const highest = Math.max(0, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  // A level far above what was measured would flatten it: it is drawn where it fits.
  const levels = (panel.thresholds ?? []).filter((value) => value <= Math.max(highest * 3, panel.unit === 'percentunit' ? 1 : 0));
  const top = niceTop(Math.max(highest, ...levels) || 1);
  const x = (at: number) => LEFT + ((at - from) / (to - from || 1)) * (PANEL_WIDTH - LEFT - RIGHT);
  const y = (value: number) => PANEL_HEIGHT - BOTTOM - (value / top) * (PANEL_HEIGHT - BOTTOM - TOP);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * top);
    return `<line x1="${LEFT}" x2="${PANEL_WIDTH - RIGHT}" y1="${at}" y2="${at}" stroke="#eee"/><text x="${LEFT - 5}" y="${at + 4}" text-anchor="end" fill="#555">${shown(share * top, panel.unit)}</text>`;
  });
  const dashed = levels.map(
    (value, index) =>
      `<line x1="${LEFT}" x2="${PANEL_WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="${LEVEL_COLOURS[index] ?? LEVEL_COLOURS.at(-1)}" stroke-dasharray="4 3"/>`,
  );
  const shownLines = lines.toSorted((a, b) => greatest(b) - greatest(a)).slice(0, SHOWN_LINES);
  const paths = shownLines.map(
    ({ points }, index) =>
      `<path d="${pathOf(points.map(([at, value]) => [x(at), y(value)]))}" fill="none" stroke="${LINE_COLOURS[index]}" stroke-width="1.5"/>`,
  );
  return [
    ...grid,
    ...dashed,
    ...paths,
    timesOf(from, to, x),
    legendOf(
      shownLines.map(({ name }) => name),
      lines.length,
    ),
  ].join('');
}

function numberOf({ panel, lines }: DrawnPanel): string {
  const value = lines[0]?.points.at(-1)?.[1] ?? 0;
  const level = (panel.thresholds ?? []).filter((threshold) => value >= threshold).length;
  const colour = level === 0 ? STATE_COLOURS['green'] : LEVEL_COLOURS[level - 1];
  return `<text x="${PANEL_WIDTH / 2}" y="${PANEL_HEIGHT / 2 + 16}" text-anchor="middle" font-size="46" fill="${colour}">${shown(value, panel.unit)}</text>`;
}

function statesOf({ panel, lines }: DrawnPanel, [from, to]: readonly [number, number]): string {
  const left = 150;
  const rows = lines.filter(({ points }) => points.some(([, value]) => value !== 0)).slice(0, MOST_STATES);
  const rest = lines.length - rows.length;
  const x = (at: number) => left + ((at - from) / (to - from || 1)) * (PANEL_WIDTH - left - RIGHT);
  const bars = rows.map(({ name, points }, index) => {
    const y = TOP + index * (STATE_HEIGHT + 4);
    const cells = points.map(([at, value], place) => {
      const until = points[place + 1]?.[0] ?? to;
      const state = panel.states?.[value];
      return `<rect x="${x(at)}" y="${y}" width="${Math.max(1, x(until) - x(at))}" height="${STATE_HEIGHT}" fill="${STATE_COLOURS[state?.colour ?? 'gray'] ?? '#888'}"/>`;
    });
    return `<text x="${left - 6}" y="${y + 12}" text-anchor="end">${escaped(name.slice(0, 26))}</text>${cells.join('')}`;
  });
  const words = Object.values(panel.states ?? {}).map(({ text }) => text);
  const note =
    rest > 0 ? `<text x="10" y="${PANEL_HEIGHT - 40}" fill="#555">${rest} more: ${escaped(words[0] ?? '')} all the time</text>` : '';
  return bars.join('') + note + timesOf(from, to, x);
}

const timesOf = (from: number, to: number, x: (at: number) => number): string =>
  [from, (from + to) / 2, to]
    .map(
      (at, index) =>
        `<text x="${x(at)}" y="${PANEL_HEIGHT - BOTTOM + 14}" text-anchor="${['start', 'middle', 'end'][index]}" fill="#555">${Math.round(at - from)} s</text>`,
    )
    .join('');

function legendOf(names: readonly string[], count: number): string {
  const labels = names.map((name, index) => {
    const [column, row] = [index % 2, Math.floor(index / 2)];
    const [x, y] = [12 + column * 195, PANEL_HEIGHT - 42 + row * 14];
    return `<rect x="${x}" y="${y - 8}" width="9" height="9" fill="${LINE_COLOURS[index]}"/><text x="${x + 13}" y="${y}">${escaped(name.slice(0, 30))}</text>`;
  });
  const more =
    count > names.length
      ? `<text x="${PANEL_WIDTH - 8}" y="19" text-anchor="end" fill="#888">${count - names.length} lower lines left out</text>`
      : '';
  return labels.join('') + more;
}

const pathOf = (points: readonly (readonly [number, number])[]): string =>
  points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');
const greatest = ({ points }: DrawnLine): number => Math.max(...points.map(([, value]) => value), 0);
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** The next of 1, 2, 2.5, 5 and 10 times a power of ten. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((factor) => value <= factor * power * 1.0001) ?? 10) * power;
}

function shown(value: number, unit: string): string {
  if (unit === 'percentunit') return `${Number((value * 100).toPrecision(3))} %`;
  if (unit === 's')
    return value === 0 ? '0' : value < 1 ? `${Number((value * 1_000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`;
  if (unit === 'bytes') return `${Math.round(value / 2 ** 20)} MiB`;
  return value >= 1_000 ? `${Number((value / 1_000).toPrecision(3))}k` : String(Number(value.toPrecision(3)));
}
