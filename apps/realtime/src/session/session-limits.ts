import type { Config } from '#lib/runtime/config/config';

/** What one socket, and one user, may do. Times in milliseconds; 0 = no limit where it says so. */
export interface SessionLimits {
  readonly pingMs: number;
  readonly pongTimeoutMs: number;
  /** From the opened socket to its first frame. */
  readonly helloTimeoutMs: number;
  readonly maxFrameBytes: number;
  /** Frames and bytes that may be unsent. */
  readonly bufferFrames: number;
  readonly bufferBytes: number;
  /** Open sockets of one user over all processes; 0 = no limit. */
  readonly socketsPerUser: number;
  /** Frames per second that a socket may send, twice as many at once; 0 = no limit. */
  readonly framesPerSecond: number;
  readonly maxSockets: number;
  readonly drainMs: number;
}

/** The limits of a configuration. With `RATE_LIMIT_PER_USER` = 0 only limits of users that are set apply. */
export const sessionLimits = (config: Config): SessionLimits => {
  const unlessSet = (limit: number): number => (config.RATE_LIMIT_PER_USER === 0 ? 0 : limit);
  return {
    pingMs: config.WS_PING_MS,
    pongTimeoutMs: config.WS_PONG_TIMEOUT_MS,
    helloTimeoutMs: config.WS_HELLO_TIMEOUT_MS,
    maxFrameBytes: config.WS_MAX_FRAME_BYTES,
    bufferFrames: config.WS_BUFFER_FRAMES,
    bufferBytes: config.WS_BUFFER_BYTES,
    socketsPerUser: config.WS_SOCKETS_PER_USER ?? unlessSet(10),
    framesPerSecond: config.WS_FRAMES_PER_SECOND ?? unlessSet(20),
    maxSockets: config.WS_MAX_SOCKETS,
    drainMs: config.WS_DRAIN_MS,
  };
};
