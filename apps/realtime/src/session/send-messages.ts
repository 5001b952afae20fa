import { newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import type { AcceptMessage } from '#lib/conversations/accept-message';
import type { StoredMessage } from '#lib/conversations/message';
import { withDeadline } from '#lib/resilience/call/deadline';
import { type FairShare, userKey } from '#lib/resilience/limit/fair-share';
import type { Limiters } from '#lib/resilience/limit/limiters';
import { takeFromQuota } from '#lib/resilience/limit/quotas';
import type { Pressure } from '#lib/resilience/load/pressure';
import { problemOf } from '#lib/resilience/problem-of';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { enrichContext, type WorkContext } from '#lib/runtime/log/context';
import { childTraceparent } from '#lib/runtime/log/traceparent';
import { isTracing, recordSpan } from '#lib/runtime/trace/span';
import { beginWork } from '#lib/runtime/work/work-registry';
import { BadFrame, type RawFrame, sendFrameOf } from './client-frames.js';

/** As long as the same send may take over REST. */
const SEND_MS = routeDeadlinesMs['POST /v1/conversations/:conversationId/messages'] ?? 5_500;
/** As in the gateway: backlogs shrink in seconds at best. */
const RETRY_AFTER_SECONDS = 5;

/** What the log lines and spans of a send, and its event, are known by. */
interface SendIds {
  readonly requestId: string;
  readonly userId: UserId;
  readonly traceparent: string;
}

/** A send that is under way. */
export interface RunningSend {
  /** Settles when the next send of the same socket may be admitted; never rejects. */
  readonly admitted: Promise<void>;
  /** Settles with the commit, within 5.5 s. @throws ProblemError, DependencyError, DeadlineExceeded; BadFrame when it was no `send`. */
  readonly stored: Promise<StoredMessage>;
}

/** Stores what sockets send, under the quotas, the text policy and the admission of REST. */
export class SendMessages {
  constructor(
    private readonly messages: AcceptMessage,
    private readonly limiters: Limiters,
    private readonly pressure: Pressure,
    /** Sends in hand, of this process and of one user. */
    private readonly share: FairShare,
    private readonly logger: Logger,
  ) {}

  /** @param raw is parsed when the quota has paid for it. @param after the `admitted` of the send before it. */
  execute(userId: UserId, raw: RawFrame, after: Promise<void> | undefined): RunningSend {
    const { promise: admitted, resolve: letNext } = Promise.withResolvers<void>();
    const startedAt = performance.now();
    const ids: SendIds = { requestId: newId(), userId, traceparent: childTraceparent(undefined) };
    const context: WorkContext & SendIds = { ...ids };
    const work = beginWork(context, { kind: 'request', id: ids.requestId, what: 'WebSocket send' });
    const stored = withDeadline(SEND_MS, () => work.handle(SEND_MS, () => this.store(raw, ids, { after, letNext })), { context });
    const ended = (failure?: unknown) => {
      letNext();
      work.end();
      if (isTracing()) recordSpan(spanOf(context, startedAt, failure));
      this.record({ ...context, durationMs: Math.round((performance.now() - startedAt) * 10) / 10 }, failure);
    };
    stored.then(() => ended(), ended);
    return { admitted, stored };
  }

  /** Lets the next one in when this one is admitted; when it fails before, its caller does. */
  private async store(
    raw: RawFrame,
    ids: SendIds,
    { after, letNext }: { readonly after: Promise<void> | undefined; readonly letNext: () => void },
  ): Promise<StoredMessage> {
    const { userId } = ids;
    const leave = this.enter(userId);
    try {
      await after;
      await takeFromQuota(this.limiters, 'writes', userId);
      letNext();
      const { conversationId, content, clientMessageId: key } = sendFrameOf(raw);
      enrichContext({ conversationId });
      const stored = await this.messages.execute({ conversationId, senderId: userId, content, priority: 'normal', key, ...ids });
      enrichContext({ messageId: stored.message.id });
      return stored;
    } finally {
      leave();
    }
  }

  /** The one log line of a send (R022). */
  private record(fields: object, failure: unknown): void {
    if (failure === undefined || failure instanceof BadFrame) return this.logger.info(fields, 'send');
    const code = problemOf(failure)?.code;
    if (code !== undefined) return this.logger.info({ ...fields, code }, 'send');
    metrics.uncaughtErrors.inc({ where: 'frame' });
    this.logger.error({ ...fields, code: 'internal', err: failure }, 'send');
  }

  /** @throws ProblemError when the system or this process is full, or the user has too much in hand. */
  private enter(userId: UserId): () => void {
    if (!this.pressure.allows('normal')) {
      throw refused('normal', 'The system has as much to do as it can take.', RETRY_AFTER_SECONDS);
    }
    const key = userKey(userId);
    const refusal = this.share.take(key);
    if (refusal === 'all') throw refused('sends', 'As many messages are being stored as this process can take.', 1);
    if (refusal === 'caller') {
      metrics.rateLimited.inc({ scope: 'in_flight' });
      throw new ProblemError('rate-limited', 'You have too many sends in hand: wait for their acks.', { retryAfterSeconds: 1 });
    }
    return () => this.share.giveBack(key);
  }
}

const spanOf = (context: WorkContext & SendIds, startedAt: number, failure: unknown) => {
  const { requestId, conversationId, messageId, traceparent } = context;
  const code = failure === undefined ? undefined : (problemOf(failure)?.code ?? 'internal');
  return {
    name: 'WebSocket send',
    kind: 'server' as const,
    traceparent,
    parent: undefined,
    startedAt,
    attributes: {
      'network.protocol.name': 'websocket',
      'app.request_id': requestId,
      'app.conversation_id': conversationId,
      'app.message_id': messageId,
      'app.problem': code,
    },
    failure: isOurs(failure) ? code : undefined,
  };
};

/** Whether a send failed on our side: what REST answers with 5xx. */
const isOurs = (failure: unknown): boolean => {
  if (failure === undefined || failure instanceof BadFrame) return false;
  const status = problemOf(failure)?.status ?? 500;
  return status >= 500;
};

const refused = (reason: string, detail: string, retryAfterSeconds: number): ProblemError => {
  metrics.loadShed.inc({ reason });
  return new ProblemError('overloaded', detail, { retryAfterSeconds });
};
