/** One line of a chart: points are [x, y]. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

const COLOURS = ['#1b6ac9', '#8a8a8a', '#d1495b', '#2e8b57', '#b8860b'];
const WIDTH = 720;
const HEIGHT = 360;
const LEFT = 70;
const BOTTOM = 50;
const TOP = 40;
const RIGHT = 130;

const ticks = (max: number): number[] => {
  const step = 10 ** Math.floor(Math.log10(max || 1)) / 2;
  const count = Math.ceil(max / step);
  const stride = Math.max(1, Math.ceil(count / 6));
  return Array.from({ length: Math.floor(count / stride) + 1 }, (_, i) => i * stride * step);
};

const short = (value: number): string => (value >= 1_000 ? `${Math.round(value / 100) / 10}k` : `${Math.round(value * 100) / 100}`);
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** A line chart as SVG text; `logX` spreads loads like 1, 10, 100, 500 evenly. */
export const lineChart = ({
  title,
  xLabel,
  yLabel,
  series,
  logX = false,
}: {
  title: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  logX?: boolean;
}): string => {
  const points = series.flatMap((line) => line.points);
  const xs = points.map(([x]) => x);
  const scaleX = (x: number) => (logX ? Math.log10(Math.max(x, 1)) : x);
  const [minX, maxX] = [scaleX(Math.min(...xs)), scaleX(Math.max(...xs))];
  const yTicks = ticks(Math.max(...points.map(([, y]) => y), 0.001));
  const maxY = yTicks.at(-1) ?? 1;
  const px = (x: number) => LEFT + ((scaleX(x) - minX) / (maxX - minX || 1)) * (WIDTH - LEFT - RIGHT);
  const py = (y: number) => HEIGHT - BOTTOM - (y / maxY) * (HEIGHT - BOTTOM - TOP);
  const grid = yTicks
    .map(
      (y) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py(y)}" y2="${py(y)}" stroke="#ddd"/><text x="${LEFT - 8}" y="${py(y) + 4}" text-anchor="end">${short(y)}</text>`,
    )
    .join('');
  const xTicks = [...new Set(xs)].sort((a, b) => a - b);
  const every = Math.ceil(xTicks.length / 10);
  const axis = xTicks
    .filter((_, i) => i % every === 0)
    .map((x) => `<text x="${px(x)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(x)}</text>`)
    .join('');
  const lines = series
    .map(({ name, points: line }, i) => {
      const colour = COLOURS[i % COLOURS.length];
      const path = line.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ');
      const dots =
        line.length > 12
          ? ''
          : line.map(([x, y]) => `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="3" fill="${colour}"/>`).join('');
      return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}<text x="${WIDTH - RIGHT + 10}" y="${TOP + 16 + i * 18}" fill="${colour}">${escape(name)}</text>`;
    })
    .join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/><text x="${LEFT}" y="22" font-size="15">${escape(title)}</text>${grid}${axis}${lines}<text x="${(WIDTH - RIGHT + LEFT) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${escape(xLabel)}</text><text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escape(yLabel)}</text></svg>\n`;
};
