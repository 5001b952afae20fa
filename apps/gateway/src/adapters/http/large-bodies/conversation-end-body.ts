import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type EndedConversationId, type UserId } from '#lib/contracts/ids';
import { ConversationEnd, type LogEntry, MAX_LOG_ENTRIES } from '#lib/contracts/scores';
import { bodyKind } from './body-kind.js';

/** The entry itself and its three fields, for each entry; the object around them and its five fields. */
const MAX_VALUES = 4 * MAX_LOG_ENTRIES + 16;
/** A 10 MB log takes about 0.1 s at this level; the best one takes ten times as long for a tenth less. */
const GZIP_LEVEL = 1;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An end of a conversation as it came in. */
export interface ReadConversationEnd {
  readonly conversationId: EndedConversationId;
  readonly userId: UserId;
  readonly startTime: Date;
  readonly endTime: Date;
  /** SHA-256 of what the body says, as hex: equal for bodies that differ in spaces, order of keys or time zones only. */
  readonly bodyHash: string;
  /** Its log as gzipped NDJSON, a line for each entry; undefined without one. */
  readonly log: Uint8Array | undefined;
}

const utc = (time: string): string => new Date(time).toISOString();

const lineOf = ({ role, content, at }: LogEntry): string =>
  `${JSON.stringify(at === undefined ? { role, content } : { role, content, at: utc(at) })}\n`;

const make = ({ conversationId, userId, startTime, endTime, conversationLog = [] }: ConversationEnd): ReadConversationEnd => {
  const id = UUID.test(conversationId) ? conversationId.toLowerCase() : conversationId;
  const lines = Buffer.from(conversationLog.map(lineOf).join(''));
  const head = JSON.stringify([id, userId, utc(startTime), utc(endTime)]);
  return {
    conversationId: id,
    userId,
    startTime: new Date(startTime),
    endTime: new Date(endTime),
    bodyHash: createHash('sha256').update(`${head}\n`).update(lines).digest('hex'),
    log: lines.length === 0 ? undefined : gzipSync(lines, { level: GZIP_LEVEL }),
  };
};

/** `POST /v1/conversations/end`. An empty log is none. */
export const conversationEndBody = bodyKind({
  route: 'POST /v1/conversations/end',
  schema: ConversationEnd,
  maxValues: MAX_VALUES,
  make,
});
