// Printed from libs/contracts by `npm run docs`; a test keeps it true.

export interface NewConversation {
  /** Up to 200 characters */
  readonly title?: string | undefined;
  /** Who is in it beside you */
  readonly memberIds: readonly string[];
}

export interface Conversation {
  readonly id: string;
  /** null: it has none */
  readonly title: string | null;
  /** All members, you included */
  readonly memberIds: readonly string[];
  /** `seq` of the newest message; 0: there is none */
  readonly headSeq: number;
  readonly createdAt: string;
}

export interface ConversationPage {
  /** `nextCursor` of the page before */
  readonly cursor?: string | undefined;
  /** At most this many, 100 or fewer */
  readonly limit?: number | undefined;
}

export interface ConversationList {
  /** Newest activity first */
  readonly items: readonly ConversationSummary[];
  /** `cursor` of the next page; null: this was the last */
  readonly nextCursor: string | null;
}

export interface ConversationSummary {
  readonly id: string;
  /** null: it has none */
  readonly title: string | null;
  /** All members, you included */
  readonly memberIds: readonly string[];
  /** `seq` of the newest message; 0: there is none */
  readonly headSeq: number;
  /** You have read everything up to this `seq` */
  readonly readSeq: number;
  /** Messages after `readSeq` of others that are not deleted, among the newest 2,000; 1,000: that many or more */
  readonly unread: number;
  /** null: there is none yet */
  readonly lastMessage: Message | null;
}

export interface Message {
  readonly id: string;
  readonly conversationId: string;
  /** Its place in the conversation: 1, 2, 3, ... without gaps */
  readonly seq: number;
  /** User id: 1-64 characters [A-Za-z0-9_.:-] */
  readonly senderId: string;
  /** Empty once it is deleted */
  readonly content: string;
  /** As its sender attached it */
  readonly metadata?: { [key: string]: JsonValue } | undefined;
  /** 1, raised by each edit and by the deletion; what `If-Match` compares */
  readonly version: number;
  /** When it was accepted */
  readonly createdAt: string;
  /** When it was last edited */
  readonly editedAt?: string | undefined;
  /** When it was deleted */
  readonly deletedAt?: string | undefined;
  /** How far each stage behind the acknowledgement is */
  readonly pipeline: PipelineState;
}

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export interface PipelineState {
  readonly delivery: 'pending' | 'done' | 'failed' | 'skipped';
  readonly embedding: 'pending' | 'done' | 'failed' | 'skipped';
  readonly scoring: 'pending' | 'done' | 'failed' | 'skipped';
}

export interface Receipt {
  /** You have received everything up to this `seq` */
  readonly deliveredSeq?: number | undefined;
  /** You have read everything up to this `seq` */
  readonly readSeq?: number | undefined;
}

export interface ConversationEnd {
  /** A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-] */
  readonly conversationId: string;
  /** Whose score changes: yourself, unless your token has the scope service */
  readonly userId: string;
  readonly startTime: string;
  readonly endTime: string;
  /** Left out for a conversation of Parley: its messages since its last end are the log */
  readonly conversationLog?: readonly {
    readonly role: 'user' | 'bot';
    readonly content: string;
    readonly at?: string | undefined;
  }[] | undefined;
}

export interface ConversationEndAccepted {
  /** This end; with a timestamp at its end when the conversation had ended before with another body */
  readonly eventId: string;
  /** A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-] */
  readonly conversationId: string;
  readonly status: 'accepted';
}

export interface NewMessage {
  /** The text: 1-16,384 characters with something visible in it */
  readonly content: string;
  /** Your own id of this message, new for each message: the same one again is answered as the first time */
  readonly clientMessageId?: string | undefined;
  /** high: try to make it searchable by meaning before the answer (2 s at most) */
  readonly priority?: 'normal' | 'high' | undefined;
  /** Anything of yours: at most 5 levels and 4,096 bytes of JSON */
  readonly metadata?: { [key: string]: JsonValue } | undefined;
}

export interface EditedMessage {
  /** The new text */
  readonly content: string;
}

export interface MessagePage {
  /** Only messages after this `seq`, the oldest of them first */
  readonly afterSeq?: number | undefined;
  /** Only messages before this `seq`, the newest of them */
  readonly beforeSeq?: number | undefined;
  /** At most this many, 200 or fewer */
  readonly limit?: number | undefined;
}

export interface MessageList {
  /** Ascending by `seq` */
  readonly items: readonly Message[];
  /** `seq` of the newest message; 0: there is none */
  readonly headSeq: number;
}

export interface SearchQuery {
  /** What to look for: words, or a sentence */
  readonly q: string;
  /** dense: by meaning; sparse: by words; hybrid: both, fused */
  readonly mode?: 'hybrid' | 'dense' | 'sparse' | undefined;
  /** Only in this conversation */
  readonly conversationId?: string | undefined;
  /** Only what this user wrote */
  readonly senderId?: string | undefined;
  /** Only what was written at this time or later */
  readonly from?: string | undefined;
  /** Only what was written at this time or earlier */
  readonly to?: string | undefined;
  /** At most this many, 50 or fewer */
  readonly limit?: number | undefined;
  /** Read the best 50 hits together with the query and order them anew */
  readonly rerank?: boolean | undefined;
  /** Show the scores behind each place */
  readonly explain?: boolean | undefined;
}

export interface SearchResults {
  /** Best first */
  readonly items: readonly SearchHit[];
  /** Parts that were left out because they failed; [] = none */
  readonly degraded: readonly ('dense' | 'sparse' | 'rerank' | 'visibility')[];
  /** Milliseconds that the search took */
  readonly tookMs: number;
}

export interface SearchHit {
  /** document: `message` is its best passage, with the id of the document */
  readonly kind: 'message' | 'document';
  readonly message: FoundMessage;
  /** The document, for a hit of that kind */
  readonly document?: {
    readonly id: string;
    readonly title: string;
    /** The part that the passage is from: 1, 2, 3, ... */
    readonly part: number;
  } | undefined;
  /** What the list is ordered by; comparable within one answer only */
  readonly score: number;
  readonly ranks: {
    readonly dense?: number | undefined;
    readonly sparse?: number | undefined;
    readonly rrf: number;
    readonly rerank?: number | undefined;
  };
  /** An excerpt as safe HTML, with <mark> around the words that match */
  readonly highlight: string;
  readonly explain?: {
    readonly denseScore?: number | undefined;
    readonly sparseScore?: number | undefined;
    readonly rrfScore: number;
    readonly rerankScore?: number | undefined;
  } | undefined;
}

export interface FoundMessage {
  readonly id: string;
  readonly conversationId: string;
  /** Its place in the conversation: 1, 2, 3, ... without gaps; 0: a passage of a document */
  readonly seq: number;
  /** User id: 1-64 characters [A-Za-z0-9_.:-] */
  readonly senderId: string;
  /** Empty once it is deleted */
  readonly content: string;
  /** As its sender attached it */
  readonly metadata?: { [key: string]: JsonValue } | undefined;
  /** 1, raised by each edit and by the deletion; what `If-Match` compares */
  readonly version: number;
  /** When it was accepted */
  readonly createdAt: string;
  /** When it was last edited */
  readonly editedAt?: string | undefined;
  /** When it was deleted */
  readonly deletedAt?: string | undefined;
  /** How far each stage behind the acknowledgement is */
  readonly pipeline: PipelineState;
}

export interface ContextRequest {
  /** What the agent is about to answer */
  readonly query: string;
  /** Room for the window, in tokens of o200k_base */
  readonly maxTokens: number;
  /** Newest messages to include, as far as their share of the budget goes */
  readonly recent?: number | undefined;
  /** Share of `maxTokens` that the newest messages may take before what fits the query has had its turn */
  readonly recentShare?: number | undefined;
  /** Messages to look for by the query */
  readonly semanticK?: number | undefined;
  /** The newest message that you know of: everything up to it must have been in view */
  readonly minSeq?: number | undefined;
}

export interface ContextWindow {
  /** Ascending by `seq` */
  readonly items: readonly {
    readonly message: Message;
    readonly why: 'recent' | 'semantic';
  }[];
  /** What the items take, 4 for each message beside its text */
  readonly tokens: number;
  /** Every message up to this `seq` was open to the search by meaning */
  readonly indexedThroughSeq: number;
  /** Parts that were left out because they failed; [] = none */
  readonly degraded: readonly ('dense' | 'sparse' | 'rerank' | 'visibility')[];
}

export interface PresenceList {
  readonly items: readonly {
    /** User id: 1-64 characters [A-Za-z0-9_.:-] */
    readonly userId: string;
    /** Has a socket open, or had one a second ago */
    readonly online: boolean;
    /** When the last of its sockets closed, within 30 days; null: not known */
    readonly lastSeenAt: string | null;
  }[];
}

export interface NewDocument {
  /** Its members find the document */
  readonly conversationId: string;
  /** Up to 200 characters */
  readonly title: string;
  /** Plain text, as much as a body of 10 MB holds */
  readonly content: string;
}

export interface Document {
  readonly id: string;
  readonly conversationId: string;
  /** Who uploaded it; `senderId` of its hits */
  readonly ownerId: string;
  readonly title: string;
  /** Of its text, in UTF-16 units */
  readonly length: number;
  /** When it was accepted */
  readonly createdAt: string;
  /** done: all of it is found, by words and by meaning */
  readonly state: 'pending' | 'indexing' | 'done' | 'failed';
  /** Parts are what is indexed, and indexed again, at once */
  readonly parts: {
    /** Parts of up to 16,384 units that search by meaning finds */
    readonly indexed: number;
    readonly total: number;
  };
  readonly chunks: {
    /** Passages with a vector of their own that search by meaning finds */
    readonly indexed: number;
    readonly total: number;
  };
}

export interface DeviceRegistration {
  /** The service that brings pushes to the device */
  readonly provider: 'fcm' | 'onesignal';
  /** fcm: the registration token; onesignal: the subscription id */
  readonly token: string;
}

export interface FriendshipStatus {
  /** User id: 1-64 characters [A-Za-z0-9_.:-] */
  readonly userId: string;
  readonly score: number;
  readonly level: Level;
  readonly topicMetrics: { readonly [key: string]: TopicMetric };
  /** Rises with each change */
  readonly version: number;
  /** null: never */
  readonly updatedAt: string | null;
  /** An analysis failed; the score will be calculated again */
  readonly degraded: boolean;
}

export type Level = 'stranger' | 'acquaintance' | 'friend';

export type Topic = 'family' | 'friends' | 'school' | 'work' | 'food' | 'games' | 'sports' | 'movies' | 'music' | 'books' | 'animals' | 'travel' | 'technology' | 'health' | 'feelings' | 'other';

export interface TopicMetric {
  /** Ended conversations in which it came up */
  readonly conversations: number;
  /** Its part of the score */
  readonly score: number;
  /** When it last came up */
  readonly lastAt: string;
}

export interface FriendshipHistoryPage {
  /** nextCursor of the page before */
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
}

export interface FriendshipHistory {
  readonly items: readonly ScoreChange[];
  readonly nextCursor: string | null;
}

export interface ScoreChange {
  /** A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-] */
  readonly conversationId: string;
  /** The end of the conversation that was scored */
  readonly endId: string;
  /** 2 and more: its messages changed after it was scored */
  readonly revision: number;
  /** Version of the formula */
  readonly scoringVersion: number;
  readonly scoreChange: number;
  /** After the change */
  readonly score: number;
  readonly level: Level;
  /** Of the status, after the change */
  readonly version: number;
  /** The parts of scoreChange */
  readonly topics: { readonly [key: string]: number };
  readonly userQuestions: number;
  readonly emotion: Emotion;
  readonly reasons: readonly string[];
  readonly analysedBy: {
    readonly provider: string;
    readonly model: string;
    readonly promptVersion: number;
  };
  readonly endedAt: string;
  readonly updatedAt: string;
}

export type Emotion = 'happy' | 'interested' | 'neutral' | 'bored' | 'sad' | 'angry';

export interface ScoreCalculation {
  /** A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-] */
  readonly conversationId: string;
  /** Whose score it is: yourself. With the scope service any user; left out, the one user who ended the conversation */
  readonly userId?: string | undefined;
}

export interface Score {
  /** A conversation of Parley, or the id that another system gave it: 1-128 characters [A-Za-z0-9_.:-] */
  readonly conversationId: string;
  readonly scoreChange: number;
  readonly userQuestions: number;
  readonly emotion: Emotion;
  /** A part could not be analysed and has its fallback */
  readonly degraded: boolean;
  /** What the change is made of, in words */
  readonly reasons: readonly string[];
}

export interface Job {
  readonly id: string;
  readonly kind: 'score' | 'erasure';
  readonly status: 'queued' | 'running' | 'done' | 'failed';
  /** What came out, also so far while it runs; null: nothing yet */
  readonly result: { [key: string]: JsonValue } | null;
  /** Why it failed, in a sentence */
  readonly error: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface JobAccepted {
  readonly jobId: string;
}

export interface SuggestionRequest {
  /** Whom to suggest for: yourself, unless your token has the scope service */
  readonly userId: string;
  /** Language of greeting, reasons and guides */
  readonly language?: 'en' | 'vi' | undefined;
}

export interface Suggestion {
  /** User id: 1-64 characters [A-Za-z0-9_.:-] */
  readonly userId: string;
  readonly level: Level;
  /** What to open with; null: the catalogue has none */
  readonly greeting: string | null;
  /** How agents behave towards users of this level: a part of their prompt; null: the catalogue has none */
  readonly persona: string | null;
  /** Heaviest first */
  readonly candidates: readonly ActivityCandidate[];
  /** What to begin the day with; null: the catalogue has no such agent */
  readonly review: FixedActivity | null;
  /** What to end the day with; null: the catalogue has no such agent */
  readonly wrapUp: FixedActivity | null;
  /** What to offer when no candidate is wanted or works */
  readonly backups: readonly FixedActivity[];
  /** Postgres could not be asked: this is what a new user gets */
  readonly degraded: boolean;
}

export interface ActivityCandidate {
  /** Name of an agent in the catalogue */
  readonly agentId: string;
  readonly type: 'talk' | 'story' | 'game' | 'quiz' | 'exercise' | 'review' | 'wrap_up';
  readonly topic: Topic;
  /** Why it is suggested, for people */
  readonly reason: string;
  /** Its share among the candidates, which add up to 1: a client that draws one at random draws by it */
  readonly weight: number;
  /** How the agent goes about it: a part of its prompt; null: the catalogue has none */
  readonly guide: string | null;
  /** A first line about the topic; null: the catalogue has none */
  readonly opener: string | null;
}

export interface FixedActivity {
  /** Name of an agent in the catalogue */
  readonly agentId: string;
  readonly type: 'talk' | 'story' | 'game' | 'quiz' | 'exercise' | 'review' | 'wrap_up';
  readonly topic: Topic;
  /** How the agent goes about it: a part of its prompt; null: the catalogue has none */
  readonly guide: string | null;
  /** A first line about the topic; null: the catalogue has none */
  readonly opener: string | null;
}

export interface Problem {
  /** Where this kind of problem is explained, relative to this server */
  readonly type: string;
  /** The kind of problem, for people */
  readonly title: string;
  /** The HTTP status */
  readonly status: number;
  /** What is wrong this time, for people */
  readonly detail: string;
  /** Path of the request */
  readonly instance: string;
  /** The kind of problem, for programs */
  readonly code: 'validation' | 'unauthenticated' | 'forbidden' | 'not-found' | 'idempotency-key-reused' | 'version-conflict' | 'payload-too-large' | 'rate-limited' | 'overloaded' | 'dependency-unavailable' | 'timeout' | 'internal';
  /** What to name when asking about it; every log line of the request has it */
  readonly requestId: string;
  /** Whether the same request may succeed later */
  readonly retryable: boolean;
  /** What is wrong where: JSON pointers into the body, or the name of a parameter after a slash */
  readonly errors?: readonly {
    readonly pointer: string;
    readonly message: string;
  }[] | undefined;
}
