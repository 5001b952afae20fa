/** One line of a Prometheus text: value is a number, NaN and Inf included. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What of a text could be read. */
export interface ParsedMetrics {
  readonly samples: readonly Sample[];
  /** Lines that are neither a comment nor a sample, and samples beyond the limit. */
  readonly skippedCount: number;
}

/** Most samples that one text gives: ten times what a gateway under every kind of load shows. */
export const MOST_SAMPLES = 50_000;

const NAME = /[a-zA-Z_:][\w:]*/y;
const LABEL = /[ \t]*([a-zA-Z_]\w*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*(,|(?=\}))/y;
const CLOSED = /[ \t]*\}/y;
// The value; then perhaps the milliseconds of a timestamp and an exemplar, which are not read.
const VALUE = /[ \t]*([^ \t#]+)(?:[ \t]+-?[\d.]+)?[ \t]*(?:#.*)?$/y;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const SPECIAL: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Inf: Number.POSITIVE_INFINITY,
  '+Inf': Number.POSITIVE_INFINITY,
  '-Inf': Number.NEGATIVE_INFINITY,
};
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' };

/**
 * Reads the Prometheus text format, and of OpenMetrics what it shares with it. Never throws: a line that it cannot read is skipped and counted.
 * @param kept names of the samples to give; others are passed over unread. Left out: all.
 */
export function parseMetrics(text: string, kept?: ReadonlySet<string>): ParsedMetrics {
  const samples: Sample[] = [];
  let skippedCount = 0;
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || !isKept(trimmed, kept)) continue;
    const sample = samples.length < MOST_SAMPLES ? sampleOf(trimmed) : undefined;
    if (sample === undefined) skippedCount += 1;
    else samples.push(sample);
  }
  return { samples, skippedCount };
}

// What has no name is not passed over: it is counted as unreadable.
function isKept(line: string, kept: ReadonlySet<string> | undefined): boolean {
  if (kept === undefined) return true;
  const name = match(NAME, line, 0)?.[0];
  return name === undefined || kept.has(name);
}

function sampleOf(line: string): Sample | undefined {
  const name = match(NAME, line, 0)?.[0];
  if (name === undefined) return undefined;
  const labelled = line[name.length] === '{' ? labelsOf(line, name.length + 1) : { labels: {}, end: name.length };
  if (labelled === undefined) return undefined;
  const value = numberOf(match(VALUE, line, labelled.end)?.[1]);
  return value === undefined ? undefined : { name, labels: labelled.labels, value };
}

function labelsOf(line: string, start: number): { labels: Record<string, string>; end: number } | undefined {
  // Without a prototype, so that a label named `__proto__` is only a label.
  const labels = Object.create(null) as Record<string, string>;
  let at = start;
  for (;;) {
    const found = match(LABEL, line, at);
    if (found === undefined) break;
    const [whole, name = '', value = ''] = found;
    labels[name] = value.includes('\\') ? value.replace(/\\(.)/g, (_, next: string) => ESCAPED[next] ?? `\\${next}`) : value;
    at += whole.length;
  }
  const closed = match(CLOSED, line, at);
  return closed === undefined ? undefined : { labels, end: at + closed[0].length };
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return SPECIAL[text] ?? (NUMBER.test(text) ? Number(text) : undefined);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
