import { type IncomingMessage, STATUS_CODES, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { closeCodes, SOCKET_PATH, SUBPROTOCOL } from '#lib/contracts/socket';
import type { MemoryPressure } from '#lib/resilience/load/memory-pressure';
import { metrics } from '#lib/runtime/metrics/metrics';
import type { Session } from '../../session/session.js';
import type { Sessions } from '../../session/sessions.js';
import { FramedSocket, type SocketEvents } from './framed-socket.js';
import type { Strangers } from './strangers.js';

/** A frame that is a little too long is read and refused by its session; of one that is much longer nothing is read. Both are a 4400. */
const READ_FACTOR = 2;
/** What `ws` closes a socket with whose frame is longer than `maxPayload` (RFC 6455). */
const MESSAGE_TOO_BIG = 1009;
/** A client that does not answer a close frame is cut off after this, in milliseconds; the session waits as long. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Parts in which one frame may come: an honest client needs one. */
const MAX_FRAGMENTS = 64;
/** Chunks in which an unfinished frame may be buffered: each costs some hundred bytes however small it is. */
const MAX_CHUNKS = 1_024;

const SESSION = Symbol('session');
type SocketOfSession = WebSocket & { [SESSION]?: Session };

/** What the server of the sockets asks before it lets one in. */
export interface SocketServerOptions {
  readonly sessions: Sessions;
  readonly strangers: Strangers;
  readonly memory: MemoryPressure;
  /** As CORS_ORIGINS. A request without an Origin is not from a browser and passes. */
  readonly origins: readonly string[];
  readonly maxFrameBytes: number;
}

/** A WebSocket that closes with the code of the protocol where `ws` would take one of its own. */
class ServedSocket extends WebSocket {
  override close(code?: number, data?: string | Buffer): void {
    if (code === MESSAGE_TOO_BIG) super.close(closeCodes.badFrame, 'much longer than a frame may be');
    else super.close(code, data);
  }
}

// Shared by all sockets, found through `this`: a closure per socket and event would be a kilobyte of each idle socket.
function onMessage(this: SocketOfSession, data: Buffer, isBinary: boolean): void {
  this[SESSION]?.onFrame(data, isBinary);
}
function onPing(this: SocketOfSession, data: Buffer): void {
  this[SESSION]?.onControlFrame();
  this.pong(data);
}
// Costs as much as a ping: a flood of them is otherwise the one thing that a client may send without limit.
function onPong(this: SocketOfSession): void {
  this[SESSION]?.onControlFrame();
}
function onClose(this: SocketOfSession, code: number): void {
  this[SESSION]?.onClosed(code);
}
function onError(this: SocketOfSession): void {
  // `ws` closes the socket with the code that fits (1002, 1007; 4400 for 1009) and then says so: `close` follows.
}

/** Upgrades requests to WebSockets and gives each its session. */
export class SocketServer {
  private readonly upgrades: WebSocketServer;
  private readonly events: SocketEvents;

  constructor(private readonly options: SocketServerOptions) {
    // Wider than the type of the package, which lacks some of its documented options.
    const settings: ServerOptions & Readonly<Record<'maxFragments' | 'maxBufferedChunks' | 'closeTimeout', number>> = {
      noServer: true,
      WebSocket: ServedSocket,
      clientTracking: false,
      perMessageDeflate: false,
      // Done in onPing: `ws` would make a closure for each socket.
      autoPong: false,
      maxPayload: READ_FACTOR * options.maxFrameBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_CHUNKS,
      closeTimeout: CLOSE_TIMEOUT_MS,
      handleProtocols: () => SUBPROTOCOL,
    };
    this.upgrades = new WebSocketServer(settings);
    this.events = {
      known: options.strangers.known,
      sent: (ws: SocketOfSession) => ws[SESSION]?.onWritten(),
    };
  }

  /** Takes upgrades of this server from now on. */
  listen(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const connection = socket as Socket;
      // Until `ws` has listeners of its own: a client that hangs up now must not end the process.
      const ignore = () => undefined;
      connection.on('error', ignore);
      const refusal = this.refusalOf(request);
      if (refusal !== undefined) return refuse(connection, refusal);
      this.upgrades.handleUpgrade(request, connection, head, (ws) => {
        connection.off('error', ignore);
        this.opened(ws, connection, request.headers.origin);
      });
    });
  }

  private refusalOf({ method, url, headers }: IncomingMessage): Refusal | undefined {
    const { sessions, memory } = this.options;
    if ((url ?? '').split('?', 1)[0] !== SOCKET_PATH || method !== 'GET')
      return { status: 404, detail: `WebSockets are at ${SOCKET_PATH}.` };
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
    if (!offered.includes(SUBPROTOCOL)) return { status: 400, detail: `Offer the subprotocol ${SUBPROTOCOL}.` };
    if (sessions.isDraining) return { status: 503, detail: 'This server is shutting down: connect again.' };
    if (sessions.isFull) return shed('sockets', 'This server has as many sockets as it can take.');
    if (!memory.allowsBody(undefined)) return shed('memory', 'There is no memory for more sockets now.');
    return undefined;
  }

  private opened(ws: SocketOfSession, connection: Socket, origin: string | undefined): void {
    const { sessions, strangers } = this.options;
    const session = sessions.begin(new FramedSocket(ws, connection, this.events));
    ws[SESSION] = session;
    ws.on('message', onMessage).on('ping', onPing).on('pong', onPong).on('close', onClose).on('error', onError);
    if (this.allows(origin)) strangers.count(connection);
    else session.close(closeCodes.forbiddenOrigin, 'pages of this origin may not connect');
  }

  private allows(origin: string | undefined): boolean {
    const { origins } = this.options;
    return origin === undefined || origins.includes('*') || origins.includes(origin);
  }
}

interface Refusal {
  readonly status: 400 | 404 | 503;
  readonly detail: string;
}

const codes = { 400: 'validation', 404: 'not-found', 503: 'overloaded' } as const;

const shed = (reason: string, detail: string): Refusal => {
  metrics.loadShed.inc({ reason });
  return { status: 503, detail };
};

const refuse = (connection: Socket, { status, detail }: Refusal): void => {
  const body = JSON.stringify({ type: `/problems#${codes[status]}`, title: STATUS_CODES[status], status, code: codes[status], detail });
  connection.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      ...(status === 503 ? ['retry-after: 1'] : []),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
  connection.destroySoon();
};
