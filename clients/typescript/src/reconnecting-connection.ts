import { type BackoffBounds, isQuiet, pauseBefore } from './backoff.js';
import { Connection, type ConnectionTiming, type Ending, type SocketConstructor } from './connection.js';
import { type ClientFrame, closeCodes, type ServerFrame, type WelcomeFrame } from './frames.js';
import { ParleyError } from './parley-error.js';

// A connection that is made again until it is closed.
//
//                        ┌─────────── pause is over ────────────┐
//                        ▼                                      │
//   idle ──open()──▶ connecting ──welcome──▶ live ──lost──▶ waiting
//                     │  │ ▲                  │                 ▲
//                     │  │ └─ 4401, once: ────┤                 │
//                     │  │    a new token     │                 │
//                     │  └──── failed ────────┼─────────────────┘
//                     ▼                       ▼
//                  closed ◀─── close(), the new token is refused as well, or the platform has no such socket
//
// Pauses: full jitter; at least 10 s after 4013 and 30 s after 4400 and 4403; what `goaway` says. While that runs the old connection stays live.

/** A JWT, or what gets one: asked before each connection. */
export type TokenSource = string | (() => string | Promise<string>);

/** Milliseconds. */
export interface Timing extends ConnectionTiming {
  readonly backoff: BackoffBounds;
  /** What `token()` may take. */
  readonly tokenMs: number;
}

/** What becomes of the connection, for an indicator in a user interface. */
export type ConnectionState =
  | { readonly state: 'idle' | 'connecting' | 'live' }
  | { readonly state: 'waiting'; readonly reason: string; readonly code?: number | undefined; readonly retryInMs: number }
  | { readonly state: 'closed'; readonly error: ParleyError };

export interface ReconnectingEvents {
  /** The first frame of a connection, made when it is open. */
  hello(token: string): ClientFrame;
  live(welcome: WelcomeFrame): void;
  frame(frame: ServerFrame): void;
  /** It was live and no longer is. */
  lost(): void;
  state(state: ConnectionState): void;
}

/** A connection that held for so long counts as one that works: the next loss starts the backoff anew. */
const STEADY_AFTER_MS = 5_000;
/** More than the 15 s over which a server spreads its goodbyes; a longer one would keep a client on a server that leaves. */
const LONGEST_GOAWAY_MS = 60_000;

export class ReconnectingConnection {
  private current: Connection | undefined;
  private now: ConnectionState = { state: 'idle' };
  private attempt = 0;
  private liveSince = 0;
  private triedNewToken = false;
  private leaveAt: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Raised by each attempt, so that a token that comes late starts nothing. */
  private turn = 0;

  constructor(
    private readonly url: string,
    private readonly token: TokenSource,
    private readonly timing: Timing,
    private readonly events: ReconnectingEvents,
    private readonly socket?: SocketConstructor | undefined,
  ) {}

  get state(): ConnectionState {
    return this.now;
  }

  get isLive(): boolean {
    return this.now.state === 'live';
  }

  open(): void {
    if (this.now.state === 'idle') void this.connect();
  }

  /** Ends the pause before the next try: the network is back. Nothing while the server asked for a pause, or while there is none. */
  hurry(): void {
    if (this.now.state !== 'waiting' || (this.now.code !== undefined && isQuiet(this.now.code))) return;
    void this.connect();
  }

  /** Drops the frame unless the connection is live. */
  send(frame: ClientFrame): void {
    if (this.isLive) this.current?.send(frame);
  }

  /** Ends it for good. */
  close(error = new ParleyError('closed', 'the client was closed')): void {
    if (this.now.state === 'closed') return;
    this.turn += 1;
    clearTimeout(this.timer);
    const { current, isLive } = this;
    this.current = undefined;
    this.enter({ state: 'closed', error });
    current?.end('closed');
    if (isLive) this.events.lost();
  }

  private async connect(): Promise<void> {
    this.turn += 1;
    const { turn } = this;
    clearTimeout(this.timer);
    this.leaveAt = undefined;
    this.enter({ state: 'connecting' });
    let token: string;
    try {
      token = typeof this.token === 'string' ? this.token : await withinTime(this.timing.tokenMs, this.token());
    } catch (error) {
      if (turn === this.turn) this.wait({ reason: `no token: ${error instanceof Error ? error.message : String(error)}` });
      return;
    }
    if (turn !== this.turn) return;
    const events = {
      welcomed: (welcome: WelcomeFrame) => this.welcomed(welcome),
      frame: (frame: ServerFrame) => this.hear(frame),
      over: (ending: Ending) => {
        if (turn === this.turn) this.over(ending);
      },
    };
    try {
      this.current = new Connection(this.url, () => this.events.hello(token), this.timing, events, this.socket);
    } catch (error) {
      // A platform without WebSocket, or a page loaded over https that asks for `ws:`: trying again would not help.
      this.close(new ParleyError('unsupported', error instanceof Error ? error.message : String(error)));
    }
  }

  private welcomed(welcome: WelcomeFrame): void {
    this.liveSince = performance.now();
    this.triedNewToken = false;
    this.enter({ state: 'live' });
    this.events.live(welcome);
  }

  private hear(frame: ServerFrame): void {
    if (frame.type === 'goaway') this.leaveIn(Math.min(frame.reconnectInMs, LONGEST_GOAWAY_MS));
    this.events.frame(frame);
  }

  /** The server drains. Its other sockets were given other moments, so nothing is added to this one. */
  private leaveIn(pauseMs: number): void {
    if (!this.isLive || this.leaveAt !== undefined) return;
    this.leaveAt = performance.now() + pauseMs;
    this.timer = setTimeout(() => this.current?.end('the server asked to go'), pauseMs);
  }

  private over(ending: Ending): void {
    this.current = undefined;
    clearTimeout(this.timer);
    const wasLive = this.isLive;
    if (wasLive && performance.now() - this.liveSince > STEADY_AFTER_MS) this.attempt = 0;
    // Told before the next attempt, so that its hello knows what was lost.
    if (wasLive) this.events.lost();
    if (this.now.state === 'closed') return;
    if (ending.code !== closeCodes.badToken) return this.wait(ending);
    if (typeof this.token === 'string' || this.triedNewToken) {
      return this.close(new ParleyError('unauthenticated', `the token was refused${ending.reason === '' ? '' : `: ${ending.reason}`}`));
    }
    this.triedNewToken = true;
    // Tokens that end as soon as they are welcome: the first is replaced at once, the next as after any loss.
    if (wasLive && this.attempt > 0) return this.wait(ending);
    if (wasLive) this.attempt += 1;
    void this.connect();
  }

  private wait({ code, reason }: Ending): void {
    const left = this.leaveAt === undefined ? 0 : Math.max(0, this.leaveAt - performance.now());
    // A server that says goodbye as soon as it has said welcome is not asked again at once.
    const isTold = this.leaveAt !== undefined && this.attempt === 0;
    const retryInMs = isTold ? left : Math.max(left, pauseBefore(this.attempt, code, this.timing.backoff));
    this.attempt += 1;
    this.timer = setTimeout(() => void this.connect(), retryInMs);
    this.enter({ state: 'waiting', reason: reason === '' ? `closed with code ${code}` : reason, code, retryInMs });
  }

  private enter(state: ConnectionState): void {
    this.now = state;
    this.events.state(state);
  }
}

async function withinTime<T>(ms: number, work: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}
