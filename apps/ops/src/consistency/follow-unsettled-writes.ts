import { Injectable, Optional } from '@nestjs/common';
import { metrics } from '#lib/runtime/metrics/metrics';
import { VectorStorePort } from '#lib/vectors/store/vector-store.port';
import { type UnsettledWrite, VectorWritesPort } from '#lib/vectors/store/vector-writes.port';
import { IndexableMessagesPort } from './indexable-messages.port.js';
import { judge } from './judge.js';

/** Milliseconds after which a write is over on our side: more than a handler (30 s) and its last call take. */
const GRACE_MS = 45_000;
/** Milliseconds between two checks of one write: the store may still execute requests it received before its outage ended. */
const PAUSE_MS = 8_000;
const WRITES_AT_ONCE = 100;
/** A message that is ahead of its ledger entry is on its way: its own event is not settled yet. */
const NOTHING_OVERTAKEN = new Date(0);

/**
 * Follows up writes to the vector store that got no answer (ADR 19): one that timed out may be executed after a newer version was
 * written. Indexes again what is out of step; forgets a write whose messages were in step twice.
 */
@Injectable()
export class FollowUnsettledWrites {
  constructor(
    private readonly writes: VectorWritesPort,
    private readonly messages: IndexableMessagesPort,
    private readonly vectors: VectorStorePort,
    @Optional() private readonly timing: { readonly graceMs: number; readonly pauseMs: number } = { graceMs: GRACE_MS, pauseMs: PAUSE_MS },
  ) {}

  /** @throws DependencyError when Postgres or the vector store is out; the writes then stay recorded. */
  async execute(): Promise<void> {
    const { graceMs, pauseMs } = this.timing;
    for (const write of await this.writes.unsettled(graceMs, pauseMs, WRITES_AT_ONCE)) await this.follow(write);
  }

  private async follow(write: UnsettledWrite): Promise<void> {
    const [states, stored] = [await this.messages.statesOf(write.messageIds), await this.vectors.chunksOf(write.messageIds)];
    const chunksOf = Map.groupBy(stored, ({ messageId }) => messageId);
    const wrong = states.filter((state) => {
      const judgement = judge(state, chunksOf.get(state.id) ?? [], NOTHING_OVERTAKEN);
      return judgement === 'missing' || judgement === 'stale' || judgement === 'orphan';
    });
    // The message was erased since: its vectors come from this write and can be removed.
    const known = new Set(states.map(({ id }) => id));
    const left = stored.filter(({ messageId }) => !known.has(messageId));
    await this.vectors.remove(left.map(({ id }) => id));
    if (wrong.length > 0) await this.messages.orderRebuild(wrong.map(({ id }) => id));
    metrics.vectorsRewritten.inc({ cause: 'unsettled' }, wrong.length);
    await this.writes.checked(write, wrong.length === 0 && left.length === 0);
  }
}
