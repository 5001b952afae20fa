import type { Caller } from '#lib/auth/caller';
import { InvalidToken, type TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { newId, type UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import { closeCodes, type HelloFrame } from '#lib/contracts/socket';
import type { PresencePort } from '#lib/live/presence/presence.port';
import type { RateLimiterPort } from '#lib/resilience/limit/rate-limiter.port';
import { problemOf } from '#lib/resilience/problem-of';
import { BadFrame, clientFrameOf, helloOf, type RawFrame, rawFrameOf } from './client-frames.js';
import { FrameBudget } from './frame-budget.js';
import type { FrameCounts } from './frame-counts.js';
import { type LiveHub, type LiveSession, type OutgoingFrame, outgoing } from './live-session.js';
import type { PendingReceipts } from './pending-receipts.js';
import type { SendMessages } from './send-messages.js';
import { type SendingSession, SocketSends } from './socket-sends.js';
import type { SessionLimits } from './session-limits.js';
import type { SessionSocket } from './session-socket.js';
import { UnsentFrames } from './unsent-frames.js';

/** Close codes of RFC 6455 that we use beside those of the contract: the server cannot serve now, try again later; something of ours is wrong. */
const TRY_AGAIN_LATER = 1013;
const INTERNAL_ERROR = 1011;
/** How long a client has to answer a close frame before its connection is cut, in milliseconds; what is unsent is kept so long. */
const CLOSING_MS = 2_000;
/** The same for a client that misbehaves, whose answer is not read. */
const CUTTING_MS = 300;
/** Longest wait for the token's keys (2 s), presence and Postgres after `hello`, when thousands come at once. */
const CHECKING_MS = 20_000;
/** Of a close reason, in bytes (RFC 6455). */
const MAX_REASON = 123;
const NEVER = Number.POSITIVE_INFINITY;

/** What all sessions of a process share. */
export interface SessionParts {
  readonly limits: SessionLimits;
  readonly verifier: TokenVerifierPort;
  readonly presence: PresencePort;
  /** Hellos of one user: a client that reconnects in a loop costs a read of its conversations each time. */
  readonly hellos: RateLimiterPort;
  readonly live: LiveHub;
  readonly sends: SendMessages;
  readonly receipts: PendingReceipts;
  readonly counts: FrameCounts;
  /** The frame of a ping without heads, made once for all that are pinged in the same moment. */
  readonly ping: () => OutgoingFrame;
  /** Called once, when the connection is gone. */
  readonly onEnd: (session: Session) => void;
}

type State = 'accepted' | 'checking' | 'open' | 'closing' | 'closed';

/** How a session ended, for the log. */
export interface SessionEnd {
  readonly code: number;
  readonly reason: string;
}

/**
 * One socket of one user.
 *
 *     accepted --hello--> checking --(token, sockets of the user, conversations)--> open
 *        |                   |                                                       |
 *        | 4401 no hello     | 4401 token  4013 sockets  1013 Postgres away          | 4400 frame  4401 token ended  4008 slow
 *        | 4400 first frame  |                                                       | 4012 no pong  4013 frames  4001 (after goaway)
 *        v                   v                                                       v
 *      closing: the close frame is sent, nothing is read  --(client answers, or 2 s)-->  closed
 *
 * The welcome is sent when the conversations are known and before any of their frames; what the client sends until then waits, and its socket is not read.
 * No timer of its own: `dueAt` says when {@link due} is to be called (sessions.ts).
 */
export class Session implements LiveSession, SendingSession {
  readonly id = newId();
  /** `performance.now()` when something is due. */
  dueAt: number;
  readonly startedAt: number;
  framesIn = 0;
  end: SessionEnd | undefined;
  /** What went wrong on our side, for the log. */
  failure: unknown;
  private state: State = 'accepted';
  private user: UserId | undefined;
  private readonly budget: FrameBudget;
  private tokenEndsAt = NEVER;
  private pingAt = NEVER;
  private pongBy = NEVER;
  private leaveAt = NEVER;
  private hasJoined = false;
  /** Made with the first one: an idle socket has none. */
  private sends: SocketSends | undefined;
  /** Frames that came in the same chunk as `hello`. */
  private early: RawFrame[] | undefined;
  private readonly unsent: UnsentFrames;

  constructor(
    private readonly socket: SessionSocket,
    private readonly parts: SessionParts,
  ) {
    const now = performance.now();
    this.startedAt = now;
    this.dueAt = now + parts.limits.helloTimeoutMs;
    this.budget = new FrameBudget(parts.limits.framesPerSecond, now);
    this.unsent = new UnsentFrames(socket, parts.limits);
  }

  get userId(): UserId {
    if (this.user === undefined) throw new Error('a session has no user before its hello');
    return this.user;
  }

  /** Undefined before the token is verified. */
  get knownUser(): UserId | undefined {
    return this.user;
  }

  get isClosed(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  get framesOut(): number {
    return this.unsent.sentCount;
  }

  send(frame: OutgoingFrame): void {
    if (this.isClosed) return;
    this.parts.counts.out(frame.type);
    if (!this.unsent.send(frame)) this.close(closeCodes.slowConsumer, 'read faster, or resume');
  }

  drained(): Promise<boolean> {
    if (this.isClosed) return Promise.resolve(false);
    const drained = this.unsent.drained();
    if (this.isOpen) this.schedule();
    return drained;
  }

  /** Called by the socket when some of what was unsent is with the kernel. */
  onWritten(): void {
    this.unsent.onWritten();
    if (this.isOpen) this.schedule();
  }

  /** @param problem what an `error` frame says; `about` names the frame that it answers. */
  sendError(problem: ProblemError, about: { readonly ref?: string; readonly conversationId?: string }): void {
    const { code, detail, retryAfterSeconds } = problem;
    const retryAfterMs = retryAfterSeconds === undefined ? undefined : Math.ceil(retryAfterSeconds * 1_000);
    this.send(outgoing({ type: 'error', code, detail, ...about, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }));
  }

  /** Called by the socket for each frame, in their order. */
  onFrame(data: Buffer, isBinary: boolean): void {
    if (this.isClosed) return;
    this.framesIn += 1;
    if (!this.budget.take(performance.now())) {
      this.parts.counts.in('bad');
      return this.closeAtOnce(closeCodes.rateLimited, 'too many frames');
    }
    try {
      if (isBinary) throw new BadFrame('binary');
      const { maxFrameBytes } = this.parts.limits;
      if (data.length > maxFrameBytes) throw new BadFrame(`longer than ${maxFrameBytes} bytes`);
      this.handle(rawFrameOf(data));
    } catch (error) {
      this.failed(error);
    }
  }

  /** Whatever a frame does to us ends its own session: an error that is thrown on would end the process, with the sockets of all. */
  private failed(error: unknown): void {
    if (!(error instanceof BadFrame)) return this.refuse(error);
    this.parts.counts.in('bad');
    this.refuseFrame(error);
  }

  /** Called by the socket for a ping or pong of the WebSocket protocol, which costs as much as a frame. */
  onControlFrame(): void {
    if (!this.isClosed && !this.budget.take(performance.now())) this.closeAtOnce(closeCodes.rateLimited, 'too many frames');
  }

  private handle(raw: RawFrame): void {
    if (this.state === 'accepted') {
      const hello = helloOf(raw);
      this.parts.counts.in('hello');
      void this.check(hello);
    } else if (this.state === 'checking') {
      this.early ??= [];
      this.early.push(raw);
    } else if (raw.type === 'send') {
      this.parts.counts.in('send');
      this.sends ??= new SocketSends(this, this.parts.sends);
      this.sends.begin(raw);
    } else this.apply(raw);
  }

  private apply(raw: RawFrame): void {
    const frame = clientFrameOf(raw);
    const { live, receipts, counts } = this.parts;
    counts.in(frame.type);
    switch (frame.type) {
      case 'pong':
        this.pongBy = NEVER;
        return;
      case 'typing':
        return live.typing(this, frame.conversationId);
      case 'receipt':
        return receipts.add(this, frame);
      case 'resume':
        return live.resume(this, frame);
      case 'hello':
        throw new BadFrame('hello was said');
      case 'send':
        return; // accepted before it is parsed
      default:
        return frame satisfies never;
    }
  }

  private async check(hello: HelloFrame): Promise<void> {
    this.state = 'checking';
    this.dueAt = performance.now() + CHECKING_MS;
    this.socket.pause();
    try {
      const caller = await this.parts.verifier.verify(hello.token);
      if (this.isClosed) return;
      if (!(await this.enter(caller)) || this.isClosed) return;
      this.hasJoined = true;
      await this.parts.live.join(this, hello.resume ?? [], () => this.welcome());
    } catch (error) {
      return this.refuse(error);
    }
    if (!this.isClosed) this.opened();
  }

  /** Takes one of the user's sockets. @returns false when it has too many; the session is closed then. */
  private async enter({ userId, expiresAt }: Caller): Promise<boolean> {
    const { presence, limits, hellos } = this.parts;
    this.user = userId;
    this.tokenEndsAt = performance.now() + expiresAt - Date.now();
    if (!(await hellos.take(`hellos:${userId}`)).allowed) {
      this.close(closeCodes.rateLimited, 'too many hellos of this user');
      return false;
    }
    const count = await presence.enter(userId, this.id);
    if (this.isClosed) {
      // It ended meanwhile, when `leave` had nothing to take back yet.
      void presence.leave(userId, this.id);
      return false;
    }
    this.socket.known();
    if (limits.socketsPerUser === 0 || count <= limits.socketsPerUser) return true;
    this.close(closeCodes.rateLimited, `more than ${limits.socketsPerUser} sockets of this user`);
    return false;
  }

  private welcome(): void {
    const { pingMs } = this.parts.limits;
    this.send(outgoing({ type: 'welcome', sessionId: this.id, userId: this.userId, pingMs, serverTime: new Date().toISOString() }));
  }

  private opened(): void {
    this.state = 'open';
    this.pingAt = performance.now() + this.parts.limits.pingMs;
    if (this.leaveAt === NEVER) this.schedule();
    else this.sayGoaway();
    const { early } = this;
    this.early = undefined;
    try {
      for (const raw of early ?? []) if (!this.isClosed) this.handle(raw);
    } catch (error) {
      return this.failed(error);
    }
    if (!this.isClosed) this.socket.resume();
  }

  private refuse(error: unknown): void {
    if (error instanceof InvalidToken) return this.close(closeCodes.badToken, error.problem.detail);
    const problem = problemOf(error);
    if (problem === undefined) this.failure = error;
    this.close(problem === undefined ? INTERNAL_ERROR : TRY_AGAIN_LATER, problem?.detail ?? 'something went wrong on our side');
  }

  /** Called by its sends for a frame that was none. */
  refuseFrame(error: BadFrame): void {
    this.closeAtOnce(closeCodes.badFrame, error.message);
  }

  /** Called by its sends when none is in hand any more. */
  onSendsSettled(): void {
    if (this.leaveAt <= performance.now()) this.leave();
  }

  /** Does what is due now: called by the shared clock when `dueAt` is past. */
  due(now: number): void {
    switch (this.state) {
      case 'accepted':
        return this.close(closeCodes.badToken, 'no hello came in time');
      case 'checking':
        if (this.leaveAt <= now) return this.close(closeCodes.shuttingDown, 'shutting down');
        return this.close(TRY_AGAIN_LATER, 'it took too long');
      case 'open':
        return this.look(now);
      case 'closing':
        this.dueAt = NEVER;
        return this.socket.terminate();
      case 'closed':
        this.dueAt = NEVER;
        return undefined;
      default:
        return this.state satisfies never;
    }
  }

  private look(now: number): void {
    if (this.tokenEndsAt <= now) return this.close(closeCodes.badToken, 'The token has expired: get a new one.');
    if (this.pongBy <= now) return this.close(closeCodes.noPong, 'no pong came');
    if (this.unsent.progressBy <= now) return this.close(closeCodes.slowConsumer, 'read faster, or resume');
    if (this.leaveAt <= now) this.leave();
    if (this.isClosed) return;
    if (this.pingAt <= now) this.pingNow(now);
    this.schedule();
  }

  private pingNow(now: number): void {
    const { live, ping, limits } = this.parts;
    const heads = live.headsFor(this);
    this.send(heads === undefined ? ping() : outgoing({ type: 'ping', heads, serverTime: new Date().toISOString() }));
    this.pingAt = now + limits.pingMs;
    if (this.pongBy === NEVER) this.pongBy = now + limits.pongTimeoutMs;
  }

  private schedule(): void {
    if (!this.isClosed) this.dueAt = Math.min(this.tokenEndsAt, this.pingAt, this.pongBy, this.unsent.progressBy, this.leaveAt);
  }

  /** Tells the client to go to another process, and closes the socket `ms` from now, when its sends are acknowledged. */
  leaveIn(ms: number): void {
    if (this.isClosed) return;
    if (this.state === 'accepted') return this.close(closeCodes.shuttingDown, 'shutting down');
    this.leaveAt = performance.now() + ms;
    // One that is about to be welcomed is told then.
    if (this.state === 'checking') this.dueAt = Math.min(this.dueAt, this.leaveAt);
    else this.sayGoaway();
  }

  private sayGoaway(): void {
    const leftMs = Math.max(0, Math.round(this.leaveAt - performance.now()));
    this.send(outgoing({ type: 'goaway', reconnectInMs: leftMs }));
    this.schedule();
  }

  private leave(): void {
    if (this.isClosed) return;
    this.socket.pause();
    // Called again by the last of its sends, each of which has a deadline.
    if (this.sends?.isIdle === false) return;
    this.close(closeCodes.shuttingDown, 'shutting down');
  }

  /** Sends the close frame behind what is unsent; the client has 2 s to answer it. */
  close(code: number, reason: string): void {
    if (this.isClosed) return;
    this.state = 'closing';
    this.end = { code, reason };
    this.dueAt = performance.now() + CLOSING_MS;
    this.letGo();
    this.socket.close(code, shortened(reason));
    // Its answer is to be read, also of one that was not read while its hello was looked at.
    this.socket.resume();
  }

  /** The same for a client that misbehaves: nothing more is read of it. */
  private closeAtOnce(code: number, reason: string): void {
    this.close(code, reason);
    this.socket.pause();
    this.dueAt = performance.now() + CUTTING_MS;
  }

  /** Ends it without a word: the process ends. */
  cut(): void {
    this.socket.terminate();
  }

  /** Called by the socket when the connection is gone, from either side. */
  onClosed(code: number): void {
    if (this.state === 'closed') return;
    if (this.state !== 'closing') this.letGo();
    this.state = 'closed';
    this.dueAt = NEVER;
    this.end ??= { code, reason: '' };
    this.parts.onEnd(this);
  }

  private letGo(): void {
    const { live, presence } = this.parts;
    this.early = undefined;
    this.unsent.end();
    if (this.user === undefined) return;
    if (this.hasJoined) live.leave(this);
    void presence.leave(this.user, this.id);
  }
}

const shortened = (reason: string): string => {
  const bytes = Buffer.from(reason);
  return bytes.length <= MAX_REASON ? reason : bytes.subarray(0, MAX_REASON).toString('utf8').replaceAll('\ufffd', '');
};
