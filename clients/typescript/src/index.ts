// What the package exports.
export type { ParleyEvents, ParleySocketOptions } from './parley-socket.js';
export { ParleySocket } from './parley-socket.js';
export type { KeyedOptions, VersionOptions } from './parley-api.js';
export { ParleyApi } from './parley-api.js';
export { ParleyError } from './parley-error.js';
export type { SocketConstructor, SocketLike } from './connection.js';
export type {
  ErrorCode,
  ErrorFrame,
  IndexedFrame,
  PresenceFrame,
  ReceiptOfMember,
  ResumePoint,
  ScoreFrame,
  TypingFrame,
} from './frames.js';
export type { Change } from './ordered-conversation.js';
export type { Acknowledged, SendOptions } from './pending-sends.js';
export type { ConnectionState, Timing, TokenSource } from './reconnecting-connection.js';
export type { CallOptions, RestOptions } from './rest-call.js';
export type * from './rest-types.js';
