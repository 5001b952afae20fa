import type { Message } from '#client/frames';
import type { MessageList } from '#lib/contracts/http';
import { type Api, isAborted, isPassing } from '../../shared/api.js';
import { Coalesced } from '../../shared/coalesced.js';
import { storeOf } from '../../shared/store.js';
import {
  emptyTimeline,
  isAttached,
  isSettled,
  PAGE,
  type Pending,
  type Shown,
  withChanged,
  withLive,
  withNewer,
  withOlder,
  withPage,
  withStage,
} from './timeline.js';

//   nothing ──show()──▶ loading ──a page──▶ ready ──scrolling──▶ ready
//      ▲                 │    ▲               │ removed
//      └────hide()───────┤    │ 5 s, or live  ▼
//                        └────┴──────────── failed

const FRAME_MS = 16;
/** Before the next try of a page that could not be read. */
const RETRY_AFTER_MS = 5_000;
/** Pauses between two looks at what is still in the pipeline; the last one stays. Nothing tells a client that a message was scored. */
const LOOK_AFTER_MS = [600, 1_200, 2_500, 5_000, 10_000, 20_000, 60_000];

/** What is told of the open conversation. */
export interface OpenEvents {
  /** Its first page is there. */
  readonly opened: (conversationId: string) => void;
  /** The reader may have seen its newest message. */
  readonly seen: () => void;
}

/**
 * The messages of the conversation that is open, and those of this user that wait for their acknowledgement in any conversation. Whatever
 * arrives within one frame of the screen is shown at once, so that a burst of messages costs one rendering each 16 ms at most.
 */
export class OpenConversation {
  readonly shown = storeOf<Shown | undefined>(undefined);

  private now: Shown | undefined;
  private wantedSeq: number | undefined;
  private readonly waiting = new Map<string, readonly Pending[]>();
  private paging = new AbortController();
  private isPaging = false;
  private atEnd = true;
  private looks = 0;
  private looking: ReturnType<typeof setTimeout> | undefined;
  private readonly drawing = new Coalesced(FRAME_MS, () => this.shown.set(this.now));
  private readonly retrying = new Coalesced(RETRY_AFTER_MS, () => this.retry());

  constructor(
    private readonly api: Api,
    private readonly userId: string,
    private readonly events: OpenEvents,
  ) {}

  /** As it is, also what is not drawn yet. */
  get current(): Shown | undefined {
    return this.now;
  }

  isOf(conversationId: string): boolean {
    return this.now?.conversationId === conversationId;
  }

  /** Shows a conversation, at its newest message or around `seq`. */
  show(id: string, seq?: number): Promise<void> {
    this.leave();
    this.wantedSeq = seq;
    this.atEnd = seq === undefined;
    this.now = { ...emptyTimeline(id), pending: this.waiting.get(id) ?? [] };
    this.waiting.delete(id);
    this.drawing.now();
    return this.read(id);
  }

  hide(): void {
    this.leave();
    this.now = undefined;
    this.drawing.now();
  }

  private leave(): void {
    this.paging.abort();
    this.paging = new AbortController();
    this.isPaging = false;
    if (this.now !== undefined) this.keep(this.now.conversationId, this.now.pending);
  }

  /** What is stored needs no place of its own: the next page has it. */
  private keep(conversationId: string, pending: readonly Pending[]): void {
    const waiting = pending.filter(({ state }) => state !== 'sent');
    if (waiting.length === 0) this.waiting.delete(conversationId);
    else this.waiting.set(conversationId, waiting);
  }

  /** Reads again what could not be read, a page of the list too: it asks for what it lacks whenever it is drawn. */
  retry(): void {
    if (this.now === undefined || this.isPaging) return;
    if (this.now.state === 'failed') void this.read(this.now.conversationId);
    else this.change({ ...this.now });
  }

  fail(error: unknown): void {
    if (this.now === undefined) return;
    this.change({ ...this.now, state: 'failed', error });
    if (isPassing(error)) this.retrying.ask();
  }

  private async read(id: string): Promise<void> {
    const { signal } = this.paging;
    const seq = this.wantedSeq;
    this.isPaging = true;
    try {
      const range = seq === undefined ? `limit=${PAGE}` : `limit=${PAGE}&beforeSeq=${seq + PAGE / 2}`;
      const page = await this.api.ask<MessageList>(`./v1/conversations/${id}/messages?${range}`, { signal });
      if (signal.aborted || this.now === undefined) return;
      this.change(withPage(this.now, page.items, page.headSeq));
      this.isPaging = false;
      if (seq === undefined) await this.catchUp();
      if (signal.aborted) return;
      this.lookAgain(true);
      this.events.seen();
      this.events.opened(id);
    } catch (error) {
      if (!isAborted(error)) this.fail(error);
    } finally {
      if (!signal.aborted) this.isPaging = false;
    }
  }

  loadOlder(): Promise<void> {
    return this.page((shown) => {
      const first = shown.messages[0]?.seq ?? 1;
      if (first <= 1) return undefined;
      return { range: `beforeSeq=${first}`, apply: (now, page) => withOlder(now, page.items) };
    });
  }

  loadNewer(): Promise<void> {
    return this.page((shown) => {
      if (isAttached(shown)) return undefined;
      const last = shown.messages.at(-1)?.seq ?? 0;
      return { range: `afterSeq=${last}`, apply: (now, page) => withNewer(now, page.items, page.headSeq) };
    });
  }

  /** The newest message again, after reading far above it. */
  async showNewest(): Promise<void> {
    if (this.now !== undefined && !isAttached(this.now)) await this.show(this.now.conversationId);
  }

  private async page(
    plan: (shown: Shown) => { range: string; apply: (now: Shown, page: MessageList) => Shown } | undefined,
  ): Promise<void> {
    const shown = this.now;
    if (shown?.state !== 'ready' || this.isPaging) return;
    const wanted = plan(shown);
    if (wanted === undefined) return;
    const { signal } = this.paging;
    this.isPaging = true;
    try {
      const path = `./v1/conversations/${shown.conversationId}/messages?${wanted.range}&limit=${PAGE}`;
      const page = await this.api.ask<MessageList>(path, { signal });
      if (!signal.aborted && this.now !== undefined) this.change(wanted.apply(this.now, page));
    } catch (error) {
      // Scrolling on asks again, too; that there is no connection is shown already.
      if (isPassing(error)) this.retrying.ask();
    } finally {
      if (!signal.aborted) this.isPaging = false;
    }
  }

  /** What came while the first page was on its way. */
  private async catchUp(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      if (this.now === undefined || isAttached(this.now)) return;
      await this.loadNewer();
    }
  }

  /** Whether the reader is at the newest message: then new ones are followed, and count as read. */
  get isAtEnd(): boolean {
    return this.atEnd;
  }

  stand(isAtEnd: boolean): void {
    this.atEnd = isAtEnd;
    if (isAtEnd) this.events.seen();
  }

  /** The number of the newest message, if its reader is there; else undefined. */
  get seenUpTo(): number | undefined {
    const { now } = this;
    return now?.state === 'ready' && this.atEnd && isAttached(now) ? now.messages.at(-1)?.seq : undefined;
  }

  /** A message that came live. */
  arrived(message: Message): void {
    if (!this.isOf(message.conversationId) || this.now === undefined) return;
    // It is here, so it was delivered, whatever it said of itself on its way.
    const delivered = { ...message, pipeline: { ...message.pipeline, delivery: 'done' as const } };
    this.change(withLive(this.now, delivered, this.isAtEnd, this.userId));
    this.lookAgain(true);
  }

  changed(message: Message): void {
    if (this.isOf(message.conversationId) && this.now !== undefined) this.change(withChanged(this.now, message));
  }

  /** Read by its page after a change of this user. */
  edited(message: Message): void {
    this.changed(message);
    this.lookAgain(true);
  }

  indexed(conversationId: string, seq: number): void {
    if (this.isOf(conversationId) && this.now !== undefined) this.change(withStage(this.now, seq, 'embedding'));
  }

  /** Changes what waits for its acknowledgement, of the open conversation or of one that is not shown. */
  pend(conversationId: string, how: (shown: Shown) => Shown): void {
    if (this.now !== undefined && this.isOf(conversationId)) return this.change(how(this.now));
    const { pending } = how({ ...emptyTimeline(conversationId), pending: this.waiting.get(conversationId) ?? [] });
    this.keep(conversationId, pending);
  }

  /** Looks at the page again as long as something in it is on its way; each time after a longer pause. */
  private lookAgain(isAnew: boolean): void {
    // A first look that is due is not put off by what arrives meanwhile, or it would never come in a steady stream.
    if (this.looking !== undefined && (!isAnew || this.looks === 0)) return;
    if (isAnew) this.looks = 0;
    clearTimeout(this.looking);
    this.looking = setTimeout(() => void this.look(), LOOK_AFTER_MS[Math.min(this.looks, LOOK_AFTER_MS.length - 1)]);
  }

  private async look(): Promise<void> {
    this.looking = undefined;
    const shown = this.now;
    const first = shown?.messages.find((message) => !isSettled(message) && message.deletedAt === undefined);
    if (shown === undefined || first === undefined) return;
    this.looks += 1;
    const { signal } = this.paging;
    try {
      const path = `./v1/conversations/${shown.conversationId}/messages?afterSeq=${first.seq - 1}&limit=200`;
      const page = await this.api.ask<MessageList>(path, { signal });
      for (const message of page.items) this.changed(message);
    } catch {
      // The next look asks again.
    }
    if (!signal.aborted) this.lookAgain(false);
  }

  private change(shown: Shown): void {
    this.now = shown;
    this.drawing.ask();
  }

  end(): void {
    this.paging.abort();
    clearTimeout(this.looking);
    for (const work of [this.drawing, this.retrying]) work.end();
  }
}
