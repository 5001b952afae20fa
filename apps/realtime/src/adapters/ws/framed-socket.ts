import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { OutgoingFrame } from '../../session/live-session.js';
import type { SessionSocket } from '../../session/session-socket.js';
import { wireOf } from './wire.js';

/** Frames of at least this many bytes, half of what a drained session may have unsent at the least (WS_BUFFER_BYTES), tell when they are sent. */
const LARGE = 16_384;

/** Sockets that were written to in this turn of the event loop. */
let written: FramedSocket[] = [];

const flushAll = (): void => {
  const sockets = written;
  written = [];
  for (const socket of sockets) socket.flush();
};

/** What happens to a socket beside its frames; shared by all. */
export interface SocketEvents {
  /** Its user is known. */
  readonly known: (connection: Socket) => void;
  /** Some of what was unsent is with the kernel. */
  readonly sent: (ws: WebSocket) => void;
}

/**
 * A WebSocket whose frames go to its connection ready-made: those of a server are the same bytes for every client, so header and text are put
 * together once and not once per socket. What is sent in one turn of the event loop goes out together, at its end: the system call costs eight
 * times what the rest of a frame does. `ws` writes what else there is (pongs, close frames) to the same connection, in the order of the calls.
 */
export class FramedSocket implements SessionSocket {
  private isCorked = false;
  /** Frames with a callback that has not come, but for those that are known to be sent. */
  private waiting = 0;
  /** Callbacks that are still to come for frames that are sent: Node calls them a little later. */
  private late = 0;
  /** Made when a frame waits for the first time. */
  private onSent: (() => void) | undefined;

  constructor(
    private readonly ws: WebSocket,
    private readonly connection: Socket,
    private readonly events: SocketEvents,
  ) {}

  get unsentBytes(): number {
    return this.connection.writableLength;
  }

  get unsentFrames(): number {
    this.settle();
    return this.waiting;
  }

  known(): void {
    this.events.known(this.connection);
  }

  send({ bytes }: OutgoingFrame): void {
    const { ws, connection } = this;
    if (ws.readyState !== ws.OPEN) return;
    if (!this.isCorked) this.cork();
    // The first one of a turn waits for nothing but its end, and so needs no callback, unless a session may wait for it alone.
    if (connection.writableLength === 0 && bytes.length < LARGE) {
      this.settle();
      connection.write(wireOf(bytes));
      return;
    }
    this.waiting += 1;
    this.onSent ??= () => this.sent();
    connection.write(wireOf(bytes), this.onSent);
  }

  flush(): void {
    if (!this.isCorked) return;
    this.isCorked = false;
    this.connection.uncork();
  }

  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  close(code: number, reason: string): void {
    this.ws.close(code, reason);
    this.flush();
  }

  terminate(): void {
    this.ws.terminate();
  }

  private cork(): void {
    this.isCorked = true;
    this.connection.cork();
    if (written.length === 0) setImmediate(flushAll);
    written.push(this);
  }

  private sent(): void {
    if (this.late > 0) this.late -= 1;
    else this.waiting -= 1;
    this.events.sent(this.ws);
  }

  private settle(): void {
    if (this.waiting === 0 || this.connection.writableLength > 0) return;
    this.late += this.waiting;
    this.waiting = 0;
  }
}
