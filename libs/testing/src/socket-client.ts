import { WebSocket } from 'ws';
import { type ClientFrame, type ResumePoint, ServerFrame, SOCKET_PATH, SUBPROTOCOL } from '#lib/contracts/socket';

/** How a connection is opened. */
export interface SocketOptions {
  readonly origin?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers pings with pongs, as every client should. Default: true. */
  readonly pongs?: boolean;
  /** Subprotocols that are offered. Default: ours. */
  readonly protocols?: readonly string[];
}

/** How the server ended a connection. 1006: it broke without a close frame. */
export interface SocketEnd {
  readonly code: number;
  readonly reason: string;
}

/** The frame of that type. */
export type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** Longer than any answer takes on a busy machine; the longest limit of the protocol itself is the ping of 25 s. */
const TIMEOUT_MS = 15_000;

/** One WebSocket of a running Parley, frame by frame: it applies no rule, so that a test sees what the server really sent. */
export class SocketClient {
  /** Every frame that came, in order. */
  readonly frames: ServerFrame[] = [];
  /** Settles when the connection has ended. */
  readonly closed: Promise<SocketEnd>;
  private end: SocketEnd | undefined;
  private readonly watchers = new Set<() => void>();

  private constructor(
    readonly socket: WebSocket,
    { pongs = true }: SocketOptions,
  ) {
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.closed = promise;
    socket.on('message', (data: Buffer) => {
      // Parsed by the schema: a frame that breaks the contract ends the test run.
      const frame = ServerFrame.parse(JSON.parse(data.toString('utf8')));
      this.frames.push(frame);
      if (pongs && frame.type === 'ping') this.send({ type: 'pong' });
      this.wake();
    });
    socket.on('close', (code, reason) => {
      this.end = { code, reason: reason.toString('utf8') };
      resolve(this.end);
      this.wake();
    });
    socket.on('error', () => undefined); // `close` follows
  }

  /** Opens a connection and says nothing. `url` is that of the service (`http:` or `ws:`). @throws when the upgrade is refused. */
  static async open(url: string, options: SocketOptions = {}): Promise<SocketClient> {
    const address = new URL(SOCKET_PATH, url.replace(/^http/, 'ws'));
    const socket = new WebSocket(address, [...(options.protocols ?? [SUBPROTOCOL])], {
      ...(options.origin === undefined ? {} : { origin: options.origin }),
      headers: { ...options.headers },
      handshakeTimeout: TIMEOUT_MS,
      perMessageDeflate: false,
    });
    // Before the first frame can come: `open` and it may arrive in the same chunk.
    const client = new SocketClient(socket, options);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Opens a connection, says hello and waits for the welcome. @throws when the server closes it instead, with its code. */
  static async connect(
    url: string,
    token: string,
    { resume, ...options }: SocketOptions & { resume?: readonly ResumePoint[] } = {},
  ): Promise<SocketClient> {
    const client = await SocketClient.open(url, options);
    client.send({ type: 'hello', token, ...(resume === undefined ? {} : { resume: [...resume] }) });
    await client.frame('welcome');
    return client;
  }

  get isClosed(): boolean {
    return this.end !== undefined;
  }

  send(frame: ClientFrame): void {
    this.sendRaw(JSON.stringify(frame));
  }

  /** Sends a frame exactly as given: text for a string, binary for bytes. */
  sendRaw(data: string | Buffer): void {
    this.socket.send(data);
  }

  /** Reads nothing more until {@link read}: what the server sends stays in the kernel's buffers, then in the server's. */
  stall(): void {
    this.socket.pause();
  }

  /** Reads again after {@link stall}. */
  read(): void {
    this.socket.resume();
  }

  /** The frames of that type so far. */
  all<Type extends ServerFrame['type']>(type: Type): FrameOf<Type>[] {
    return this.frames.filter((frame): frame is FrameOf<Type> => frame.type === type);
  }

  /** The first frame of that type that `matches`, now or later. @throws as {@link waitFor} does. */
  async frame<Type extends ServerFrame['type']>(
    type: Type,
    matches: (frame: FrameOf<Type>) => boolean = () => true,
    timeoutMs = TIMEOUT_MS,
  ): Promise<FrameOf<Type>> {
    const find = () => this.all(type).find(matches);
    await this.waitFor(() => find() !== undefined, { timeoutMs, what: `a frame ${type}` });
    const found = find();
    if (found === undefined) throw new Error(`the frame ${type} is gone`);
    return found;
  }

  /** Seqs of the messages of a conversation as their `message.created` frames came: the log that must be 1, 2, 3, ... */
  seqsOf(conversationId: string): number[] {
    return this.all('message.created')
      .filter((frame) => frame.conversationId === conversationId)
      .map(({ seq }) => seq);
  }

  /**
   * Settles when `condition` holds; it is looked at again after each frame. @throws when it does not in time, or never can because the
   * connection has ended.
   */
  async waitFor(
    condition: (frames: readonly ServerFrame[]) => boolean,
    { timeoutMs = TIMEOUT_MS, what = 'what was waited for' } = {},
  ): Promise<void> {
    if (condition(this.frames)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (outcome: () => void) => {
        clearTimeout(timer);
        this.watchers.delete(look);
        outcome();
      };
      const fail = (why: string) => settle(() => reject(new Error(`${what} did not come: ${why}; ${this.summary()}`)));
      const look = () => {
        if (condition(this.frames)) settle(resolve);
        else if (this.end !== undefined) fail(`closed with ${this.end.code} ${this.end.reason}`);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.watchers.add(look);
      look();
    });
  }

  /** Ends the connection as a client does that goes. */
  async close(): Promise<SocketEnd> {
    this.socket.resume(); // a stalled one would not see the answer
    this.socket.close();
    return this.closed;
  }

  /** Ends the connection without a word, as a client does that loses its network. */
  drop(): void {
    this.socket.terminate();
  }

  private wake(): void {
    for (const look of this.watchers) look();
  }

  private summary(): string {
    const counts = new Map<string, number>();
    for (const { type } of this.frames) counts.set(type, (counts.get(type) ?? 0) + 1);
    const errors = this.all('error').map(({ code, detail }) => `${code}: ${detail}`);
    return `got ${[...counts].map(([type, count]) => `${count} ${type}`).join(', ') || 'nothing'}${errors.length > 0 ? ` (${errors.join('; ')})` : ''}`;
  }
}
