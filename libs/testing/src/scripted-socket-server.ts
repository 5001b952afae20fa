import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { MessageView } from '#lib/contracts/http';
import { type ClientFrame, type ResumePoint, type ServerFrame, SUBPROTOCOL } from '#lib/contracts/socket';
import { eventually } from './eventually.js';

type ClientFrameType = ClientFrame['type'];
type FrameOf<Type extends ClientFrameType> = Extract<ClientFrame, { type: Type }>;

/** A server of the WebSocket protocol without anything behind it, for tests of clients: it behaves until a test says otherwise. */
export class ScriptedSocketServer {
  readonly connections: ScriptedConnection[] = [];
  /** What there is to resume from, by conversation: the message of `seq` 1 first. */
  readonly history = new Map<string, MessageView[]>();
  pingMs = 25_000;
  /** What it does with each frame of a client. Replace it to misbehave; `behave` is what it does by default. */
  onFrame: (connection: ScriptedConnection, frame: ClientFrame) => void = (connection, frame) => this.behave(connection, frame);

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket) => this.connections.push(new ScriptedConnection(socket, (...heard) => this.onFrame(...heard))));
  }

  static async start(): Promise<ScriptedSocketServer> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
    });
    await new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
    return new ScriptedSocketServer(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1/ws`;
  }

  /** The n-th connection (from 1), once it has said hello. */
  async greeted(n: number): Promise<ScriptedConnection> {
    return eventually(() => {
      const connection = this.connections[n - 1];
      if (connection?.heard('hello').length !== 1) throw new Error(`${this.connections.length} connections so far`);
      return connection;
    });
  }

  /** Greets, sends what was missed, acknowledges. */
  behave(connection: ScriptedConnection, frame: ClientFrame): void {
    if (frame.type === 'hello') {
      connection.welcome({ pingMs: this.pingMs });
      for (const point of frame.resume ?? []) this.catchUp(connection, point);
    }
    if (frame.type === 'resume') this.catchUp(connection, frame);
    if (frame.type === 'send') connection.send({ type: 'ack', ref: frame.ref, id: randomUUID(), seq: 1 });
  }

  catchUp(connection: ScriptedConnection, { conversationId, seq: fromSeq, changedSince = '' }: ResumePoint): void {
    const all = this.history.get(conversationId) ?? [];
    const changed = all.slice(0, fromSeq).filter(({ editedAt = '' }) => editedAt !== '' && editedAt >= changedSince);
    for (const message of changed) connection.changed('edited', message);
    for (const message of all.slice(fromSeq)) connection.created(message);
    connection.send({ type: 'resumed', conversationId, fromSeq, toSeq: all.length });
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** One client as the server has it. */
export class ScriptedConnection {
  private readonly frames: ClientFrame[] = [];
  isClosed = false;

  constructor(
    readonly socket: WebSocket,
    onFrame: (connection: ScriptedConnection, frame: ClientFrame) => void,
  ) {
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as ClientFrame;
      this.frames.push(frame);
      onFrame(this, frame);
    });
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', () => undefined);
  }

  /** All frames of this type that came, in order. */
  heard<Type extends ClientFrameType>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  send(frame: ServerFrame): void {
    this.socket.send(JSON.stringify(frame));
  }

  welcome({ pingMs = 25_000, userId = 'alice' } = {}): void {
    this.send({ type: 'welcome', sessionId: randomUUID(), userId, pingMs, serverTime: new Date().toISOString() });
  }

  ping(heads?: Record<string, number>): void {
    this.send({ type: 'ping', serverTime: new Date().toISOString(), ...(heads === undefined ? {} : { heads }) });
  }

  created(...messages: readonly MessageView[]): void {
    for (const message of messages) this.changed('created', message);
  }

  changed(change: 'created' | 'edited' | 'deleted', message: MessageView): void {
    this.send({ type: `message.${change}`, conversationId: message.conversationId, seq: message.seq, message });
  }
}

/** The messages 1 to `count` of a conversation. */
export const messagesOf = (conversationId: string, count: number): MessageView[] =>
  Array.from({ length: count }, (_, i) => ({
    id: randomUUID(),
    conversationId,
    seq: i + 1,
    senderId: 'bob',
    content: `message ${i + 1}`,
    version: 1,
    createdAt: new Date().toISOString(),
    pipeline: { delivery: 'pending', embedding: 'pending', scoring: 'pending' },
  }));

/** The same message in another version. */
export const edited = (message: MessageView, version: number): MessageView => ({
  ...message,
  version,
  content: `version ${version}`,
  editedAt: new Date().toISOString(),
});
