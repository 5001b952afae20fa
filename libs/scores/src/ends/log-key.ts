import { createHash } from 'node:crypto';
import type { UserId } from '#lib/contracts/ids';

/** What the keys of all logs of a user begin with. A hash: user ids have characters that keys do not, and paths are seen by more people than logs. */
export const logPrefixOf = (userId: UserId): string => `logs/${createHash('sha256').update(userId).digest('hex').slice(0, 32)}/`;

/** The key of the log of an end. */
export const logKeyOf = (userId: UserId, endId: string): string => `${logPrefixOf(userId)}${endId}.ndjson.gz`;
