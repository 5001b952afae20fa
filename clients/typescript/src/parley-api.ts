import type { RestOptions, CallOptions } from './rest-call.js';
import { RestCaller, type RestRequest } from './rest-call.js';
import { randomId } from './random-id.js';
import type * as types from './rest-types.js';

/** A call that makes something once, however often it is sent. */
export interface KeyedOptions extends CallOptions {
  /** The same key and body again are answered as the first time; by default a random one for each call. */
  readonly idempotencyKey?: string | undefined;
}

/** A call that changes a version. */
export interface VersionOptions extends CallOptions {
  /** Only change this version of it, else `version-conflict`. */
  readonly ifVersion?: number | undefined;
}

const CONVERSATIONS = '/v1/conversations';
const FRIENDSHIP = '/v1/friendship_status';
const key = ({ idempotencyKey = randomId() }: KeyedOptions) => ({ 'idempotency-key': idempotencyKey });
const once = ({ ifVersion }: VersionOptions): Pick<RestRequest, 'headers' | 'isOnce'> =>
  ifVersion === undefined ? {} : { headers: { 'if-match': `"${ifVersion}"` }, isOnce: true };
const id = encodeURIComponent;

/**
 * What a user does over REST: every operation of the OpenAPI document but those of operators, by its name. Each call has a deadline, and is
 * repeated where that is harmless. @throws ParleyError from each, with `problem` when Parley refused.
 */
export class ParleyApi {
  private readonly rest: RestCaller;

  /** @throws TypeError for a `url` that is none of HTTP. */
  constructor(options: RestOptions) {
    this.rest = new RestCaller(options);
  }

  /** You are a member of it, listed or not. */
  createConversation(conversation: types.NewConversation, options: KeyedOptions = {}): Promise<types.Conversation> {
    return this.rest.call({ method: 'POST', path: CONVERSATIONS, body: conversation, headers: key(options) }, options);
  }

  /** Yours, newest activity first. */
  listConversations(page: types.ConversationPage = {}, options?: CallOptions): Promise<types.ConversationList> {
    return this.rest.call({ method: 'GET', path: CONVERSATIONS, query: page }, options);
  }

  getConversation(conversationId: string, options?: CallOptions): Promise<types.Conversation> {
    return this.rest.call({ method: 'GET', path: `${CONVERSATIONS}/${id(conversationId)}` }, options);
  }

  addMember(conversationId: string, userId: string, options?: CallOptions): Promise<void> {
    return this.rest.call({ method: 'PUT', path: `${CONVERSATIONS}/${id(conversationId)}/members/${id(userId)}` }, options);
  }

  /** Removes a member, or leaves. */
  removeMember(conversationId: string, userId: string, options?: CallOptions): Promise<void> {
    return this.rest.call({ method: 'DELETE', path: `${CONVERSATIONS}/${id(conversationId)}/members/${id(userId)}` }, options);
  }

  recordReceipt(conversationId: string, receipt: types.Receipt, options?: CallOptions): Promise<void> {
    return this.rest.call({ method: 'PUT', path: `${CONVERSATIONS}/${id(conversationId)}/receipts`, body: receipt }, options);
  }

  /** A conversation ended: its user gets a score for it. The same end again is the same. */
  endConversation(end: types.ConversationEnd, options?: CallOptions): Promise<types.ConversationEndAccepted> {
    return this.rest.call({ method: 'POST', path: `${CONVERSATIONS}/end`, body: end }, options);
  }

  /** Settles when the message is stored, once however often it was sent. */
  sendMessage(conversationId: string, message: types.NewMessage, options: KeyedOptions = {}): Promise<types.Message> {
    const { idempotencyKey = message.clientMessageId } = options;
    const path = `${CONVERSATIONS}/${id(conversationId)}/messages`;
    return this.rest.call({ method: 'POST', path, body: message, headers: key({ idempotencyKey }) }, options);
  }

  /** A page after or before a `seq`; without either, the newest. */
  listMessages(conversationId: string, page: types.MessagePage = {}, options?: CallOptions): Promise<types.MessageList> {
    return this.rest.call({ method: 'GET', path: `${CONVERSATIONS}/${id(conversationId)}/messages`, query: page }, options);
  }

  /** Every message after `afterSeq`, in order, a page at a time, up to the newest when the last page came. */
  async *eachMessage(conversationId: string, afterSeq = 0, options?: CallOptions): AsyncGenerator<types.Message, void> {
    for (let last = afterSeq; ; ) {
      const { items, headSeq } = await this.listMessages(conversationId, { afterSeq: last, limit: 200 }, options);
      yield* items;
      last = items.at(-1)?.seq ?? headSeq;
      if (last >= headSeq) return;
    }
  }

  getMessage(messageId: string, options?: CallOptions): Promise<types.Message> {
    return this.rest.call({ method: 'GET', path: `/v1/messages/${id(messageId)}` }, options);
  }

  editMessage(messageId: string, message: types.EditedMessage, options: VersionOptions = {}): Promise<types.Message> {
    return this.rest.call({ method: 'PATCH', path: `/v1/messages/${id(messageId)}`, body: message, ...once(options) }, options);
  }

  deleteMessage(messageId: string, options: VersionOptions = {}): Promise<void> {
    return this.rest.call({ method: 'DELETE', path: `/v1/messages/${id(messageId)}`, ...once(options) }, options);
  }

  /** By words and by meaning, in all your conversations. */
  searchMessages(query: types.SearchQuery, options?: CallOptions): Promise<types.SearchResults> {
    return this.rest.call({ method: 'GET', path: '/v1/search', query }, options);
  }

  /** What an LLM agent should read before it answers. */
  buildContext(conversationId: string, request: types.ContextRequest, options?: CallOptions): Promise<types.ContextWindow> {
    return this.rest.call({ method: 'POST', path: `${CONVERSATIONS}/${id(conversationId)}/context`, body: request }, options);
  }

  /** @param userIds 1 to 100. */
  getPresence(userIds: readonly string[], options?: CallOptions): Promise<types.PresenceList> {
    return this.rest.call({ method: 'GET', path: '/v1/presence', query: { userIds: userIds.join(',') } }, options);
  }

  uploadDocument(document: types.NewDocument, options: KeyedOptions = {}): Promise<types.Document> {
    return this.rest.call({ method: 'POST', path: '/v1/documents', body: document, headers: key(options) }, options);
  }

  getDocument(documentId: string, options?: CallOptions): Promise<types.Document> {
    return this.rest.call({ method: 'GET', path: `/v1/documents/${id(documentId)}` }, options);
  }

  registerDevice(deviceId: string, device: types.DeviceRegistration, options?: CallOptions): Promise<void> {
    return this.rest.call({ method: 'PUT', path: `/v1/devices/${id(deviceId)}`, body: device }, options);
  }

  removeDevice(deviceId: string, options?: CallOptions): Promise<void> {
    return this.rest.call({ method: 'DELETE', path: `/v1/devices/${id(deviceId)}` }, options);
  }

  getFriendshipStatus(userId: string, options?: CallOptions): Promise<types.FriendshipStatus> {
    return this.rest.call({ method: 'GET', path: `${FRIENDSHIP}/${id(userId)}` }, options);
  }

  getFriendshipHistory(userId: string, page: types.FriendshipHistoryPage = {}, options?: CallOptions): Promise<types.FriendshipHistory> {
    return this.rest.call({ method: 'GET', path: `${FRIENDSHIP}/${id(userId)}/history`, query: page }, options);
  }

  /** What a conversation would be worth now; changes nothing. @param userId yourself, unless your token has the scope service. */
  previewScore(conversationId: string, userId?: string, options?: CallOptions): Promise<types.Score> {
    return this.rest.call({ method: 'POST', path: `${FRIENDSHIP}/calculate-score/${id(conversationId)}`, query: { userId } }, options);
  }

  /** Scores a conversation now; `getJob` tells how far that is. */
  startScoring(calculation: types.ScoreCalculation, options?: CallOptions): Promise<types.JobAccepted> {
    return this.rest.call({ method: 'POST', path: `${FRIENDSHIP}/calculate-score-and-update`, body: calculation }, options);
  }

  getJob(jobId: string, options?: CallOptions): Promise<types.Job> {
    return this.rest.call({ method: 'GET', path: `/v1/jobs/${id(jobId)}` }, options);
  }

  suggestActivities(request: types.SuggestionRequest, options?: CallOptions): Promise<types.Suggestion> {
    return this.rest.call({ method: 'POST', path: '/v1/activities/suggest', body: request }, options);
  }
}
