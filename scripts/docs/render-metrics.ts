import { metrics } from '#lib/runtime/metrics/metrics';

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** The table of metrics in `docs/reference/metrics.md`, printed from `libs/runtime/src/metrics/metrics.ts`. */
export const renderMetricsTable = (): string =>
  [
    '| metric | labels | meaning |',
    '| --- | --- | --- |',
    ...Object.values(metrics).map((metric) => {
      // prom-client keeps what it was constructed with on the instance but does not type it.
      const { name, help, labelNames } = metric as unknown as Described;
      return `| \`${name}\` | ${labelNames.map((label) => `\`${label}\``).join(', ') || '-'} | ${help} |`;
    }),
  ].join('\n');
