import { useEffect, useRef, useSyncExternalStore } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useLanguage } from '../../i18n/language.js';
import { useMessages } from '../../i18n/messages.js';
import { useFormats } from '../../shared/formats.js';
import { theme } from '../../app/theme.js';
import { useStore } from '../../shared/store.js';
import s from './chart.module.css';
import { pipelineMessages } from './messages.js';

interface Quantiles {
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

interface Points {
  /** Unix seconds, as many as each quantile has values. */
  readonly at: readonly number[];
  readonly quantiles: Quantiles;
}

/** Lines differ by colour and by their dashes. */
const lines = [
  { name: 'P50', key: 'p50', colour: '--series-1', dash: [] },
  { name: 'P95', key: 'p95', colour: '--series-2', dash: [7, 4] },
  { name: 'P99', key: 'p99', colour: '--series-4', dash: [2, 3] },
] as const;

const HEIGHT = 150;

const prefersDark = matchMedia('(prefers-color-scheme: dark)');
const onScheme = (listener: () => void) => {
  prefersDark.addEventListener('change', listener);
  return () => prefersDark.removeEventListener('change', listener);
};

/** Latency over time with its newest figures beside the name; a screen reader gets these as a sentence. */
export function LatencyChart({ name, at, quantiles }: { readonly name: string } & Points) {
  const words = useMessages(pipelineMessages);
  const formats = useFormats();
  const isDark = useSyncExternalStore(onScheme, () => prefersDark.matches);
  const look = `${useStore(theme)} ${isDark} ${useLanguage()}`;
  const isEmpty = lines.every(({ key }) => quantiles[key].every((value) => value === null));
  const newest = (key: keyof Quantiles) => {
    const value = quantiles[key].findLast((each) => each !== null);
    return value == null ? '–' : formats.duration(value);
  };
  return (
    <figure className={s['chart']}>
      <figcaption>
        <span className={s['name']}>{name}</span>
        {!isEmpty && (
          <span className={s['legend']} aria-hidden>
            {lines.map(({ name: line, key, dash, colour }) => (
              <span key={key}>
                <svg width="22" height="8">
                  <line x1="0" x2="22" y1="4" y2="4" stroke={`var(${colour})`} strokeWidth="2" strokeDasharray={dash.join(' ')} />
                </svg>
                {line} {newest(key)}
              </span>
            ))}
          </span>
        )}
      </figcaption>
      {isEmpty ? (
        <p className={s['empty']}>{words.noPoints}</p>
      ) : (
        // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- what uPlot draws in it is a canvas
        <div role="img" aria-label={words.chartSummary(name, newest('p50'), newest('p95'), newest('p99'))}>
          {/* A canvas does not follow colours and language: another look is another plot. */}
          <Plot key={look} at={at} quantiles={quantiles} />
        </div>
      )}
    </figure>
  );
}

function Plot({ at, quantiles: { p50, p95, p99 } }: Points) {
  const formats = useFormats();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const colour = (token: string) => resolved(element, token);
    const font = `13px ${getComputedStyle(element).fontFamily}`;
    const axis = { stroke: colour('--text-soft'), font, grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, __, max) => [0, Math.max(1, max) * 1.1] } },
        axes: [
          { ...axis, space: 90, values: (_, ticks) => ticks.map((tick) => formats.time(tick * 1_000)) },
          { ...axis, size: 62, space: 30, values: (_, ticks) => ticks.map((tick) => formats.duration(tick)) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.name,
            stroke: colour(line.colour),
            width: 1.75,
            dash: [...line.dash],
            points: { size: 4 },
          })),
        ],
      },
      [[], [], [], []],
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [formats]);
  useEffect(() => {
    plot.current?.setData([[...at], [...p50], [...p95], [...p99]]);
  }, [at, p50, p95, p99]);
  return <div ref={place} className={s['plot']} />;
}

/** A colour of the tokens as a canvas understands it: `light-dark()` is for style sheets alone. */
function resolved(element: HTMLElement, token: string): string {
  const before = element.style.color;
  element.style.color = `var(${token})`;
  const { color } = getComputedStyle(element);
  element.style.color = before;
  return color;
}
