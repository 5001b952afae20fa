import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationFeedPort } from '#lib/conversations/conversation-feed.port';
import type { Message } from '#lib/conversations/message';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Logger } from '#lib/runtime/log/logger';
import { fullJitter } from '#lib/runtime/work/backoff';
import { type OutgoingFrame, outgoing } from '../session/live-session.js';
import { CatchUp, type CatchUpStart } from './catch-up.js';
import type { FollowedConversation, LocalSession } from './followed-conversation.js';
import { changeFrame, type HistoryReader, type PastMessage } from './history-reader.js';

/** Sent before the session is asked again whether it keeps up. With what a drained session may still hold, below WS_BUFFER_FRAMES and WS_BUFFER_BYTES. */
const PIECE_FRAMES = 64;
const PIECE_BYTES = 262_144;

const RETRY = { baseMs: 100, capMs: 5_000 };

/** Before a page is read again that did not have yet what a signal has told of. */
const TOO_EARLY_MS = 20;

const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Brings sessions up to date, each one conversation after another with one page in flight: a slow client slows only itself. */
export class CatchUps {
  constructor(
    private readonly history: HistoryReader,
    private readonly feed: ConversationFeedPort,
    private readonly logger: Logger,
  ) {}

  /** From now on the session is not live in this conversation, until it has what it lacks. It takes the place of a catch-up that is under way. */
  begin(local: LocalSession, conversation: FollowedConversation, start: CatchUpStart): void {
    const before = local.catchUps.get(conversation);
    local.catchUps.delete(conversation); // it queues up behind the others
    local.catchUps.set(conversation, new CatchUp(start, before));
    if (local.isJoined) this.work(local);
  }

  /** Works on what the session lacks. Never rejects. */
  work(local: LocalSession): void {
    if (local.isCatchingUp || local.catchUps.size === 0) return;
    local.isCatchingUp = true;
    void this.workThrough(local);
  }

  private async workThrough(local: LocalSession): Promise<void> {
    let failures = 0;
    // Asked before each conversation: a thousand that lack nothing are a thousand `resumed` frames.
    while (await local.session.drained()) {
      const [next] = local.catchUps;
      if (next === undefined) break;
      try {
        await this.catchUp(local, ...next);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!(error instanceof DependencyError)) this.logger.error({ error, conversationId: next[0].id }, 'catching up failed');
        putLast(local, ...next);
        await sleep(fullJitter(failures, RETRY), undefined, { ref: false });
      }
    }
    local.isCatchingUp = false;
  }

  private async catchUp(local: LocalSession, conversation: FollowedConversation, catchUp: CatchUp): Promise<void> {
    const isCurrent = () => !local.session.isClosed && local.catchUps.get(conversation) === catchUp;
    for (;;) {
      if (!conversation.isOpen) await conversation.opened();
      if (!isCurrent()) return;
      if (!conversation.isOpen) continue;
      if (catchUp.position === undefined) await this.findStart(local, conversation, catchUp);
      else if (catchUp.position < conversation.head) await this.sendPage(local, conversation, catchUp, isCurrent);
      else if (catchUp.lacked !== undefined) await this.sendChanges(local, conversation, catchUp, isCurrent);
      else return goLive(local, conversation, catchUp);
      if (!isCurrent()) return;
    }
  }

  private async findStart({ user }: LocalSession, conversation: FollowedConversation, catchUp: CatchUp): Promise<void> {
    const seq = await this.history.inTurn(user.id, () => this.feed.seqAtJoining({ conversationId: conversation.id, userId: user.id }));
    catchUp.position = seq ?? conversation.head;
  }

  private async sendPage(
    local: LocalSession,
    conversation: FollowedConversation,
    catchUp: CatchUp,
    isCurrent: () => boolean,
  ): Promise<void> {
    const { position = 0 } = catchUp;
    const page = await this.history.page(conversation, position, local.user.id);
    if (!isCurrent()) return;
    if (page === undefined) {
      conversation.endCatchUp(local); // erased: there is nothing to be live in
      return;
    }
    if (page.membersVersion > conversation.membersVersion) conversation.outdated(page.membersVersion);
    if (page.messages.length === 0) {
      // Read a moment too early, unless nothing is there.
      if (page.headSeq >= conversation.head) catchUp.position = conversation.head;
      else await sleep(TOO_EARLY_MS, undefined, { ref: false });
      return;
    }
    await sendInPieces(local, conversation, page.messages, isCurrent, ({ seq, frame }: PastMessage) => {
      // What is newer than the head goes to the live sessions later; this one would get it twice.
      if (seq > conversation.head) return undefined;
      catchUp.position = seq;
      return frame;
    });
  }

  private async sendChanges(
    local: LocalSession,
    conversation: FollowedConversation,
    catchUp: CatchUp,
    isCurrent: () => boolean,
  ): Promise<void> {
    const { lacked, position } = catchUp;
    if (lacked === undefined) return;
    const throughSeq = lacked.throughSeq ?? position;
    let after = { at: lacked.since, id: NO_ID };
    for (;;) {
      const range = { after, throughSeq };
      const { messages, next } = await this.history.inTurn(local.user.id, () => this.feed.changes([conversation.id], range));
      if (!isCurrent()) return;
      await sendInPieces(local, conversation, messages, isCurrent, (message: Message) => changeFrame(message));
      if (!isCurrent()) return;
      if (next === undefined) break;
      after = next;
    }
    if (catchUp.lacked === lacked) catchUp.lacked = undefined;
  }
}

/** What cannot be read at all must not hold up the others. */
const putLast = (local: LocalSession, conversation: FollowedConversation, catchUp: CatchUp): void => {
  if (local.catchUps.get(conversation) !== catchUp) return;
  local.catchUps.delete(conversation);
  local.catchUps.set(conversation, catchUp);
};

/** Sends items at the pace of the client, and nothing while it is not clear whether its user is a member. */
const sendInPieces = async <Item>(
  local: LocalSession,
  conversation: FollowedConversation,
  items: readonly Item[],
  isCurrent: () => boolean,
  frameOf: (item: Item) => OutgoingFrame | undefined,
): Promise<void> => {
  let [frames, bytes] = [PIECE_FRAMES, 0]; // asks before the first one, too: the session may have much unsent
  for (const item of items) {
    if (frames >= PIECE_FRAMES || bytes >= PIECE_BYTES) {
      if (!(await local.session.drained())) return;
      [frames, bytes] = [0, 0];
    }
    while (isCurrent() && !conversation.isOpen) await conversation.opened();
    if (!isCurrent()) return;
    const frame = frameOf(item);
    if (frame === undefined) return;
    local.session.send(frame);
    frames += 1;
    bytes += frame.bytes.length;
  }
};

const goLive = (local: LocalSession, conversation: FollowedConversation, catchUp: CatchUp): void => {
  local.catchUps.delete(conversation);
  for (const frame of catchUp.takeNoted()) local.session.send(frame);
  const { fromSeq = 0, isResume } = catchUp.start;
  if (!isResume) {
    // A client that was removed while it caught up, and added again, has less than this began with: the next ping names the head.
    conversation.nameHeadInPings();
    return;
  }
  local.session.send(outgoing({ type: 'resumed', conversationId: conversation.id, fromSeq, toSeq: conversation.head }));
  metrics.wsResume.inc({ outcome: 'resumed' });
};
