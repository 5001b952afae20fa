import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminSectionName } from '#lib/contracts/admin-live';
import { withDeadline } from '#lib/resilience/call/deadline';
import { errorCode } from '#lib/runtime/log/error-code';
import { type SectionSource, UnknownToSource } from './section-source.js';

/** Takes sections as they change: the name, and `{"state": ...}` as JSON text. Must not throw, and must not wait. */
export type SectionReader = (name: AdminSectionName, json: string) => void;

interface Sample {
  /** When it was looked at, of `performance.now()`. */
  readonly lookedAt: number;
  readonly json: string;
  /** What it says without the time of the look. */
  readonly content: string;
  readonly unknownSince: string | undefined;
}

/**
 * One look at each source for all readers of this process, and none without readers. Each source has its own rhythm, so one that hangs
 * or fails makes its own section unknown and no other late.
 *
 *     idle --first reader--> sampling --last reader leaves--> idle (what was known is forgotten: it would be old)
 */
export class SampleSections {
  private readonly readers = new Set<SectionReader>();
  private readonly latest = new Map<AdminSectionName, Sample>();
  private stopping: AbortController | undefined;
  // Looks are shared, so they must not have the deadline and the ids of the request that came first.
  private readonly scope = new AsyncResource('SampleSections');

  constructor(private readonly sources: readonly SectionSource[]) {}

  /** Gives the reader what is known, then what changes. @returns a function that ends it. */
  follow(reader: SectionReader): () => void {
    this.readers.add(reader);
    for (const [name, { json }] of this.latest) reader(name, json);
    if (this.stopping === undefined) this.scope.runInAsyncScope(() => this.start());
    return () => {
      if (this.readers.delete(reader) && this.readers.size === 0) this.stop();
    };
  }

  private start(): void {
    this.stopping = new AbortController();
    for (const source of this.sources) void this.repeat(source, this.stopping.signal);
  }

  private stop(): void {
    this.stopping?.abort();
    this.stopping = undefined;
    this.latest.clear();
  }

  private async repeat(source: SectionSource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const dueAt = performance.now() + source.everyMs;
      const sample = await this.look(source);
      if (signal.aborted) return;
      this.publish(source.name, sample);
      await sleep(Math.max(0, dueAt - performance.now()), undefined, { signal }).catch(() => undefined);
    }
  }

  private async look({ name, withinMs, read }: SectionSource): Promise<Sample> {
    const at = new Date().toISOString();
    const lookedAt = performance.now();
    try {
      const found = await withDeadline(withinMs, async () => read());
      return { lookedAt, json: JSON.stringify({ state: 'known', at, ...found }), content: JSON.stringify(found), unknownSince: undefined };
    } catch (error) {
      const since = this.latest.get(name)?.unknownSince ?? at;
      const json = JSON.stringify({ state: 'unknown', since, reason: reasonOf(error) });
      return { lookedAt, json, content: json, unknownSince: since };
    }
  }

  private publish(name: AdminSectionName, sample: Sample): void {
    const before = this.latest.get(name);
    if (before?.content === sample.content && sample.lookedAt - before.lookedAt < UNCHANGED_FOR_MS) return;
    this.latest.set(name, sample);
    for (const reader of this.readers) reader(name, sample.json);
  }
}

/** What has not changed is sent again after this time: a reader that sees an older `at` knows that its stream is stuck. Milliseconds. */
const UNCHANGED_FOR_MS = 15_000;
const LONGEST_REASON = 200;

const reasonOf = (error: unknown): string => (error instanceof UnknownToSource ? error.message : errorCode(error)).slice(0, LONGEST_REASON);
