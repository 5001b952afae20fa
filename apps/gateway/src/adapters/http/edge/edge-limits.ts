import type { Config } from '#lib/runtime/config/config';
import { userLimits } from '../../../auth/user-limits.js';

const MIB = 1_048_576;

/** What one process, and one caller in it, may use of the edge. Counts and bytes: 0 = no limit; times in milliseconds. */
export interface EdgeLimits {
  /** Requests in flight, from their authentication to the end of their handler. */
  readonly inFlight: number;
  readonly inFlightPerUser: number;
  /** Requests of one address whose body is still arriving. */
  readonly receivingPerAddress: number;
  /** A body makes way for others of its address only after this long. */
  readonly receivingPatienceMs: number;
  /** Bodies that have arrived, in part or whole, and whose request is not over. */
  readonly bodyBytes: number;
  readonly bodyBytesPerCaller: number;
  /** Answers that are made and not sent, because their clients read slowly or not at all. */
  readonly unsentBytes: number;
  readonly unsentBytesPerCaller: number;
  /** An answer of which nothing goes out for this long is cut off. */
  readonly answerStallMs: number;
  /** How long the rest of a body is read and thrown away after its request was answered, so that a client still writing can read its answer. */
  readonly lingerMs: number;
}

/**
 * The limits of a configuration. Those without a setting follow from others: 1,000 bodies of 64 KiB are what a process can hold besides its
 * 250 MiB, a caller may have one of the largest (10 MB) and its small ones; a page ends at about 1 MB, so 16 MiB are more unread pages than a
 * client asks for that means to read them.
 */
export const edgeLimits = (config: Config): EdgeLimits => ({
  inFlight: config.HTTP_MAX_CONCURRENT,
  inFlightPerUser: userLimits(config).concurrent,
  receivingPerAddress: config.HTTP_MAX_RECEIVING_PER_ADDRESS,
  receivingPatienceMs: 1_000,
  bodyBytes: 64 * MIB,
  bodyBytesPerCaller: 16 * MIB,
  unsentBytes: 64 * MIB,
  unsentBytesPerCaller: 16 * MIB,
  answerStallMs: 30_000,
  lingerMs: 5_000,
});
