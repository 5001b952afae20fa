import { type ClientFrame, parseServerFrame, type ServerFrame, SUBPROTOCOL, type WelcomeFrame } from './frames.js';

// One WebSocket, from opening to its end.
//
//   opening ──open: hello──▶ greeting ──welcome──▶ live
//      │                        │                   │
//      └────────────────────────┴───────────────────┴──▶ over: closed by either side, or silent for too long
//
// It is over once. After that nothing is heard of it, also when the network holds the old socket open for minutes.

export interface ConnectionTiming {
  /** From the first byte to `welcome`. */
  readonly connectMs: number;
  /** Beside one and a half ping intervals, the longest silence of a live server: what it takes itself for a missing pong. */
  readonly graceMs: number;
}

/** How a connection ended. Without `code` it was given up here. */
export interface Ending {
  readonly code?: number;
  readonly reason: string;
}

export interface ConnectionEvents {
  welcomed(welcome: WelcomeFrame): void;
  frame(frame: ServerFrame): void;
  over(ending: Ending): void;
}

/** What is used of a WebSocket. */
export interface SocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

/** Opens a socket: `WebSocket` of the platform, or of the package `ws`. */
export type SocketConstructor = new (url: string, protocol: string) => SocketLike;

/** `readyState` of an open socket. */
const OPEN = 1;
const MISSED_PINGS = 1.5;

export class Connection {
  private readonly socket: SocketLike;
  private isOver = false;
  private isLive = false;
  private patienceMs: number;
  private heardAt = performance.now();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `hello` is asked for when the socket is open, so that it names the newest positions. */
  constructor(
    url: string,
    private readonly hello: () => ClientFrame,
    private readonly timing: ConnectionTiming,
    private readonly events: ConnectionEvents,
    open: SocketConstructor = WebSocket,
  ) {
    this.patienceMs = timing.connectMs;
    this.socket = new open(url, SUBPROTOCOL);
    this.socket.addEventListener('open', () => {
      if (!this.isOver) this.send(this.hello());
    });
    this.socket.addEventListener('message', ({ data }) => this.hear(data));
    this.socket.addEventListener('close', ({ code, reason }) => this.finish({ code, reason }));
    // A `close` follows, with a code.
    this.socket.addEventListener('error', () => undefined);
    this.watch();
  }

  /** Never throws: what is sent while the connection ends is lost, as it would be on its way. */
  send(frame: ClientFrame): void {
    if (this.socket.readyState === OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** Gives it up without waiting for the server. */
  end(reason: string): void {
    if (this.isOver) return;
    // First, because a socket that is still opening says `close` at once in Node, with a code that is not why.
    this.finish({ reason });
    this.socket.close(1000);
  }

  private hear(data: unknown): void {
    if (this.isOver) return;
    this.heardAt = performance.now();
    const frame = parseServerFrame(data);
    if (frame === undefined) return;
    if (frame.type === 'ping') this.send({ type: 'pong' });
    if (frame.type !== 'welcome') return this.events.frame(frame);
    if (this.isLive) return;
    this.isLive = true;
    this.patienceMs = frame.pingMs * MISSED_PINGS + this.timing.graceMs;
    this.watch();
    this.events.welcomed(frame);
  }

  /** One timer that is set anew only when it fires, so that a frame costs none. */
  private watch(): void {
    clearTimeout(this.timer);
    const leftMs = this.heardAt + this.patienceMs - performance.now();
    if (leftMs > 0) this.timer = setTimeout(() => this.watch(), leftMs);
    else this.end(this.isLive ? 'the server fell silent' : 'no welcome in time');
  }

  private finish(ending: Ending): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.timer);
    this.events.over(ending);
  }
}
