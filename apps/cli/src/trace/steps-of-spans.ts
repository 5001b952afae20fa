import { readdir } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { StoredSpan } from '#lib/devstack/traces/stored-span';
import type { Step } from '#lib/database/traces/step';

/** The spans that `npm start -- --trace` has kept of these traces, and of the batches that they were handled in. */
export async function spansOf(folder: string, traceIds: readonly string[]): Promise<StoredSpan[]> {
  const own = await spansWith(folder, traceIds);
  const linked = own.flatMap(({ links }) => links.map(({ traceId }) => traceId)).filter((id) => !traceIds.includes(id));
  return linked.length === 0 ? own : [...own, ...(await spansWith(folder, [...new Set(linked)]))];
}

async function spansWith(folder: string, traceIds: readonly string[]): Promise<StoredSpan[]> {
  const files = (await readdir(folder).catch(() => []))
    .filter((name) => name.includes('.log'))
    .sort()
    .reverse();
  const spans: StoredSpan[] = [];
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      if (!traceIds.some((id) => line.includes(id))) continue;
      const span = spanIn(line);
      if (span !== undefined && traceIds.includes(span.traceId)) spans.push(span);
    }
  }
  return spans;
}

/** The last line of a file may not be written to its end yet. */
function spanIn(line: string): StoredSpan | undefined {
  try {
    return JSON.parse(line) as StoredSpan;
  } catch {
    return undefined;
  }
}

/** Spans as a tree: each below its parent, a batch below the handling of the message that it is linked to. What has neither begins a tree. */
export function stepsOfSpans(spans: readonly StoredSpan[], traceIds: readonly string[]): Step[] {
  const steps = new Map(spans.map((span) => [span.spanId, stepOf(span)]));
  const roots: Step[] = [];
  for (const span of spans) {
    const step = steps.get(span.spanId);
    if (step === undefined) continue;
    const above = span.parentSpanId ?? (traceIds.includes(span.traceId) ? undefined : causeOf(span, spans, traceIds));
    const parent = above === undefined ? undefined : steps.get(above);
    if (parent !== undefined) parent.children.push(step);
    else if (traceIds.includes(span.traceId)) roots.push(step);
  }
  return roots;
}

function causeOf({ spanId }: StoredSpan, spans: readonly StoredSpan[], traceIds: readonly string[]): string | undefined {
  return spans.find((other) => traceIds.includes(other.traceId) && other.links.some((link) => link.spanId === spanId))?.spanId;
}

function stepOf({ service, name, startedAt, durationMs, failure, note }: StoredSpan): Step {
  const what = note === undefined ? name : `${name} (${note})`;
  return { who: service, what, at: startedAt, durationMs, outcome: failure ?? 'ok', isFailed: failure !== undefined, children: [] };
}
