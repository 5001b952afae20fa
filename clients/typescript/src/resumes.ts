import type { ResumePoint } from './frames.js';
import type { OrderedConversation } from './ordered-conversation.js';

/** Requests for missed messages that wait for their answer at a time, beside those in `hello`: each may bring 10,000 messages. */
const AT_ONCE = 4;
/** Without an answer or a message for so long a request is repeated; a server that is busy with 2,000 of them needs seconds. */
const ANSWER_WITHIN_MS = 15_000;
/** Before asking again for what an answer did not bring, and before believing a head whose message may be on its way. */
export const ASK_AGAIN_AFTER_MS = 1_000;
/** A frame may have 65,536 bytes; the rest is for the token, which may have 8,192. */
const HELLO_BYTES = 56_000;
const HELLO_POINTS = 1_000;

/** Which conversations have to be asked for, which were, and when to ask again. All times are `performance.now()`. */
export class Resumes {
  private readonly wanted = new Map<OrderedConversation, number>();
  private readonly asked = new Map<OrderedConversation, { at: number; last: number | undefined }>();

  get isWaiting(): boolean {
    return this.wanted.size + this.asked.size > 0;
  }

  want(conversation: OrderedConversation, afterMs = 0): void {
    if (this.asked.has(conversation)) return;
    const at = performance.now() + afterMs;
    this.wanted.set(conversation, Math.min(at, this.wanted.get(conversation) ?? at));
  }

  /** Another connection: nothing that was asked will be answered. */
  reset(): void {
    for (const conversation of this.asked.keys()) conversation.unanswered();
    this.asked.clear();
    this.wanted.clear();
  }

  /** As many as fit into a `hello`; the others are asked for one by one. */
  forHello(conversations: Iterable<OrderedConversation>, now: string | undefined): ResumePoint[] {
    const points: ResumePoint[] = [];
    let bytes = 0;
    for (const conversation of conversations) {
      const point = conversation.isIncomplete ? conversation.point(now) : undefined;
      if (point === undefined) continue;
      bytes += JSON.stringify(point).length + 1;
      if (bytes > HELLO_BYTES || points.length === HELLO_POINTS) this.want(conversation);
      else points.push(this.ask(conversation, point));
    }
    return points;
  }

  /** The next request to send; undefined while there is none, or enough of them are under way. */
  next(now: string | undefined): ResumePoint | undefined {
    if (this.asked.size >= AT_ONCE) return undefined;
    const at = performance.now();
    for (const [conversation, notBefore] of this.wanted) {
      if (notBefore > at) continue;
      const point = conversation.isIncomplete ? conversation.point(now) : undefined;
      this.wanted.delete(conversation);
      if (point !== undefined) return this.ask(conversation, point);
    }
    return undefined;
  }

  /** A message of it came: its request is being answered. */
  moved(conversation: OrderedConversation): void {
    const request = this.asked.get(conversation);
    if (request !== undefined) request.at = performance.now();
  }

  isAsked(conversation: OrderedConversation): boolean {
    return this.asked.has(conversation);
  }

  answered(conversation: OrderedConversation): void {
    const request = this.asked.get(conversation);
    this.asked.delete(conversation);
    conversation.answered();
    if (conversation.isIncomplete) this.want(conversation, request?.last === conversation.last ? ASK_AGAIN_AFTER_MS : 0);
  }

  failed(conversation: OrderedConversation, retryAfterMs = ASK_AGAIN_AFTER_MS): void {
    if (!this.asked.delete(conversation)) return;
    conversation.unanswered();
    this.want(conversation, retryAfterMs);
  }

  forget(conversation: OrderedConversation): void {
    this.asked.delete(conversation);
    this.wanted.delete(conversation);
  }

  /** Gives up requests that got no answer. */
  expire(): void {
    const before = performance.now() - ANSWER_WITHIN_MS;
    for (const [conversation, { at }] of this.asked) if (at < before) this.failed(conversation, 0);
  }

  private ask(conversation: OrderedConversation, point: ResumePoint): ResumePoint {
    this.wanted.delete(conversation);
    this.asked.set(conversation, { at: performance.now(), last: conversation.last });
    conversation.asked();
    return point;
  }
}
