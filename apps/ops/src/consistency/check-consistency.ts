import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { QueueStatusPort } from '#lib/bus/queue-status/queue-status.port';
import type { ConsistencyReport, FindingKind } from '#lib/contracts/admin';
import type { MessageId } from '#lib/contracts/ids';
import { OutboxPort } from '#lib/database/outbox/outbox.port';
import { type StoredChunk, VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { type Judgement, judge } from './judge.js';
import { IndexableMessagesPort, type MessageState } from './indexable-messages.port.js';

/** Settings of a comparison; the defaults are for production. */
export interface CheckSettings {
  /** A younger version is skipped, it may be on its way. Longer than all attempts of its event together. */
  readonly graceMs: number;
  /** Messages per question to Postgres and the vector store. */
  readonly pageSize: number;
  /** Pause between two pages, in milliseconds: searches go first. */
  readonly pauseMs: number;
}

/** Options of one run. */
export interface CheckOrder {
  /**
   * `some`: at most {@link MAX_UNASKED} messages are indexed again, and no vectors of unknown messages are removed. A repair without an
   * operator must do little harm when the database is the wrong one.
   */
  readonly repair: 'none' | 'some' | 'all';
  /** Ends it early, with the signal's reason. */
  readonly signal: AbortSignal;
  /** Called after each page with the progress; false ends the run. */
  readonly onProgress: (report: ConsistencyReport) => Promise<boolean>;
}

/** Another process has taken over this run. */
export class RunTakenOver extends Error {
  override readonly name = 'RunTakenOver';
}

const DEFAULTS: CheckSettings = { graceMs: 60_000, pageSize: 1_000, pauseMs: 25 };
const CHUNK_PAGE = 5_000;
/** One call of the vector store, 10 s at most: the run's lease of 60 s is renewed after each. */
const REMOVED_AT_ONCE = 100;
const MAX_EXAMPLES = 20;
/** Orders in the outbox above which a repair waits: the pipeline sets its pace, sends come first. */
const MAX_WAITING_ORDERS = 5_000;
const WAIT_FOR_OUTBOX_MS = 500;
/** Orphans up to this number are removed whatever their share. */
const FEW_ORPHANS = 1_000;
/** Messages indexed again without an operator's order: a race leaves one or two, an outage under an older version some hundred. */
const MAX_UNASKED = 1_000;
const INDEXER_QUEUE = 'embedding.messages';
const DOCUMENTS_QUEUE = 'embedding.documents';

/** Versions before these times have been handled. */
interface Overtaken {
  readonly messages: Date;
  readonly documents: Date;
}

/**
 * Compares messages, ledger and vector store in both directions, page by page: constant memory, linear cost. Safe under traffic: young and
 * pending messages are skipped, and each suspect is read a second time before it counts. A repair orders the indexer to make vectors anew
 * (only the indexer makes vectors) and removes those of unknown messages.
 */
export class CheckConsistency {
  private readonly settings: CheckSettings;

  constructor(
    private readonly messages: IndexableMessagesPort,
    private readonly vectors: VectorStorePort,
    private readonly queues: QueueStatusPort,
    private readonly outbox: OutboxPort,
    settings: Partial<CheckSettings> = {},
  ) {
    this.settings = { ...DEFAULTS, ...settings };
  }

  /** @throws DependencyError when Postgres, queue or vector store is out; RunTakenOver; the reason of `signal`. */
  async execute(order: CheckOrder): Promise<ConsistencyReport> {
    const report = emptyReport();
    await this.followMessages(report, order);
    await this.lookForOrphans(report, order);
    return report;
  }

  /** From each message to its vectors: unindexed, missing, stale, and those of deleted messages. */
  private async followMessages(report: ConsistencyReport, order: CheckOrder): Promise<void> {
    const { pageSize, graceMs } = this.settings;
    const overtakenAt = await this.overtakenAt();
    let after: MessageId | undefined;
    for (;;) {
      const page = await this.messages.page(after, pageSize, graceMs);
      const doubtful = await this.judged(page, overtakenAt);
      const wrong = await this.judged(await this.unchanged(doubtful.map(({ state }) => state)), overtakenAt);
      for (const { state, judgement } of wrong) {
        if (judgement === 'pending') report.pending += 1;
        else found(report, judgement, state.id);
      }
      report.messagesChecked += page.length;
      if (order.repair !== 'none') await this.orderRebuilds(report, wrong, order);
      await this.tell(report, order);
      after = page.at(-1)?.id;
      if (after === undefined || page.length < pageSize) return;
    }
  }

  /**
   * Messages before this time have been handled. With an empty pipeline that is now, less the grace; else the time of the newest message in
   * the ledger, since the queue is served in order: an older message that is missing was skipped. A document goes round until it is done, so of
   * documents nothing is known while there is anything in their pipeline.
   */
  private async overtakenAt(): Promise<Overtaken> {
    const { graceMs } = this.settings;
    const [queues, outbox, now, newestIndexedAt] = await Promise.all([
      this.queues.read(),
      this.outbox.depth(),
      this.messages.now(),
      this.messages.newestIndexedAt(),
    ]);
    const isIdle = (queueName: string) => {
      const queue = queues.find(({ name }) => name === queueName);
      return queue?.ready === 0 && queue.unacked === 0 && outbox.pending === 0;
    };
    const reached = isIdle(INDEXER_QUEUE) ? now.getTime() : (newestIndexedAt?.getTime() ?? 0);
    return {
      messages: new Date(Math.min(now.getTime(), reached) - graceMs),
      documents: isIdle(DOCUMENTS_QUEUE) ? new Date(now.getTime() - graceMs) : new Date(0),
    };
  }

  /** The messages that are not in step, each with its finding. */
  private async judged(states: readonly MessageState[], overtaken: Overtaken): Promise<{ state: MessageState; judgement: Judgement }[]> {
    const stored = Map.groupBy(await this.chunksOf(states), ({ messageId }) => messageId);
    return states.flatMap((state) => {
      const judgement = judge(state, stored.get(state.id) ?? [], state.isPart === true ? overtaken.documents : overtaken.messages);
      return judgement === undefined ? [] : [{ state, judgement }];
    });
  }

  /** The second read: keeps those that were neither changed nor indexed since the first. */
  private async unchanged(states: readonly MessageState[]): Promise<MessageState[]> {
    const again = new Map((await this.messages.statesOf(states.map(({ id }) => id))).map((state) => [state.id, state]));
    return states.filter(({ id, version, entry }) => {
      const now = again.get(id);
      return now?.version === version && now.entry?.version === entry?.version && now.entry?.state === entry?.state;
    });
  }

  private async chunksOf(states: readonly MessageState[]): Promise<StoredChunk[]> {
    return states.length === 0 ? [] : this.vectors.chunksOf(states.map(({ id }) => id));
  }

  private async orderRebuilds(
    report: ConsistencyReport,
    wrong: readonly { state: MessageState; judgement: Judgement }[],
    order: CheckOrder,
  ): Promise<void> {
    // A failed message has a dead letter with the reason: replaying it is the operator's decision.
    const limit = order.repair === 'some' ? MAX_UNASKED - report.repaired.ordered : wrong.length;
    const ids = wrong
      .filter(({ judgement }) => judgement !== 'pending' && judgement !== 'failed')
      .map(({ state }) => state.id)
      .slice(0, limit);
    if (ids.length === 0) return;
    while ((await this.outbox.depth()).pending > MAX_WAITING_ORDERS) {
      await this.tell(report, order);
      await sleep(WAIT_FOR_OUTBOX_MS, undefined, { signal: order.signal });
    }
    await this.messages.orderRebuild(ids);
    report.repaired.ordered += ids.length;
  }

  /** From each vector to its message: vectors without a message. */
  private async lookForOrphans(report: ConsistencyReport, order: CheckOrder): Promise<void> {
    let cursor: string | undefined;
    let orphanCount = 0;
    let before = new Set<string>();
    do {
      const { ids, next } = await this.vectors.chunkIdsFrom(cursor, CHUNK_PAGE);
      const orphans = await this.orphansAmong(ids);
      // Chunks of one message may lie on two pages.
      for (const owner of orphans.keys()) if (!before.has(owner)) found(report, 'orphan', owner);
      before = new Set(orphans.keys());
      orphanCount += [...orphans.values()].flat().length;
      report.chunksChecked += ids.length;
      await this.tell(report, order);
      cursor = next;
    } while (cursor !== undefined);
    if (order.repair === 'all' && orphanCount > 0) await this.removeOrphans(orphanCount, report, order);
  }

  /**
   * With a restored older database, or another Parley on the same vector store, healthy vectors look like orphans: when orphans are the
   * majority, the operator decides.
   */
  private async removeOrphans(orphanCount: number, report: ConsistencyReport, order: CheckOrder): Promise<void> {
    if (orphanCount > FEW_ORPHANS && orphanCount > report.chunksChecked / 2) {
      throw new Error(
        `${orphanCount} of ${report.chunksChecked} vectors are of unknown messages: is this the right database? None was removed`,
      );
    }
    let cursor: string | undefined;
    for (;;) {
      const { ids, next } = await this.vectors.chunkIdsFrom(cursor, CHUNK_PAGE);
      const orphans = [...(await this.orphansAmong(ids)).values()].flat();
      for (let from = 0; from < orphans.length; from += REMOVED_AT_ONCE) {
        const some = orphans.slice(from, from + REMOVED_AT_ONCE);
        await this.vectors.remove(some);
        report.repaired.removed += some.length;
        await this.tell(report, order);
      }
      if (orphans.length === 0) await this.tell(report, order);
      // Removal shifts later vectors into this page: read it again, unless nothing was removed.
      const isSamePageAgain = orphans.length > 0 && report.repaired.removed <= 2 * orphanCount;
      if (!isSamePageAgain && next === undefined) return;
      if (!isSamePageAgain) cursor = next;
    }
  }

  /** Chunks of messages that do not exist, by message id. */
  private async orphansAmong(chunkIds: readonly string[]): Promise<Map<string, string[]>> {
    const byOwner = Map.groupBy(chunkIds, ownerOf);
    const known = await this.messages.statesOf([...byOwner.keys()].filter(isId));
    for (const { id } of known) byOwner.delete(id);
    return byOwner;
  }

  private async tell(report: ConsistencyReport, { onProgress, signal }: CheckOrder): Promise<void> {
    if (!(await onProgress(report))) throw new RunTakenOver('another process has taken this run over');
    await sleep(this.settings.pauseMs, undefined, { signal });
  }
}

const Id = z.uuid().lowercase();
const isId = (text: string): boolean => Id.safeParse(text).success;

/** The message id in a chunk id (R004: `{messageId}#chunk_{i}`); undefined for ids of another form, which Parley did not write. */
const ownerOf = (chunkId: string): string => /^(.+)#chunk_\d+$/.exec(chunkId)?.[1] ?? chunkId;

const emptyReport = (): ConsistencyReport => ({
  messagesChecked: 0,
  chunksChecked: 0,
  pending: 0,
  findings: { unindexed: 0, missing: 0, stale: 0, orphan: 0, failed: 0 },
  examples: { unindexed: [], missing: [], stale: [], orphan: [], failed: [] },
  repaired: { ordered: 0, removed: 0 },
});

function found(report: ConsistencyReport, kind: FindingKind, id: string): void {
  report.findings[kind] += 1;
  if (report.examples[kind].length < MAX_EXAMPLES) report.examples[kind].push(id.slice(0, 100));
}
