import { connect, type Socket } from 'node:net';
import { machineMs } from './clock.js';
import { type Dialect, type DialectRules, dialects } from './dialect.js';
import { clientFrame, eachFrame, opcodes, seqOf } from './frames.js';
import { type ConversationLog, MemberLog } from './member-log.js';

/** One member with one socket. */
export interface MemberSpec {
  /** Where it may connect: the first one first, then in turn after each connection that broke. Complete, with query. */
  readonly urls: readonly string[];
  /** Index of its conversation. */
  readonly conversation: number;
  readonly conversationId: string;
  /** Of Parley. */
  readonly token?: string;
}

/** What a socket tells its crowd. */
export interface CrowdListener {
  onReady(socket: CrowdSocket): void;
  onClosed(socket: CrowdSocket, code: number): void;
  onMessage(socket: CrowdSocket): void;
}

/** What Node's `onread` fills: sockets of one process are read one after the other, so they share it. */
const shared = Buffer.allocUnsafeSlow(256 * 1_024);
const NO_CODE = 0;
const HEADERS_END = Buffer.from('\r\n\r\n');

/**
 * A WebSocket of the load generator: no JSON, no object per frame, one buffer for all sockets. With Parley it follows the client rule: it resumes
 * from what it has, and asks for what it misses.
 */
export class CrowdSocket {
  private socket: Socket | undefined;
  private rest: Buffer | undefined;
  private isUpgraded = false;
  private turn = 0;
  private closeCode = NO_CODE;
  private isAskingFor = 0;
  private readonly rules: DialectRules;
  readonly log: MemberLog;
  isReady = false;

  constructor(
    readonly spec: MemberSpec,
    private readonly dialect: Dialect,
    private readonly conversation: ConversationLog,
    private readonly listener: CrowdListener,
  ) {
    this.rules = dialects[dialect];
    this.log = new MemberLog(conversation.counts.length - 1);
  }

  /** Connects to its next server; `onReady` or `onClosed` follows. */
  open(): void {
    const { urls } = this.spec;
    const url = new URL(urls[this.turn % urls.length] ?? '');
    this.turn += 1;
    this.isUpgraded = false;
    this.rest = undefined;
    this.closeCode = NO_CODE;
    this.isAskingFor = 0;
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length) => {
          this.read(length);
          return true;
        },
      },
    });
    this.socket = socket;
    socket.on('error', () => undefined); // 'close' follows
    socket.once('close', () => this.closed(socket));
    const protocol = this.rules.subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${this.rules.subprotocol}\r\n`;
    socket.write(
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: cGFybGV5IGJlbmNobWFyaw==\r\nSec-WebSocket-Version: 13\r\n${protocol}\r\n`,
    );
  }

  /** Breaks the connection, as a phone in a tunnel does. */
  drop(): void {
    this.socket?.destroy();
  }

  private closed(socket: Socket): void {
    if (socket !== this.socket) return;
    this.socket = undefined;
    this.isReady = false;
    this.listener.onClosed(this, this.closeCode);
  }

  private read(length: number): void {
    const { rest } = this;
    const bytes = rest === undefined ? shared : Buffer.concat([rest, shared.subarray(0, length)]);
    const to = rest === undefined ? length : bytes.length;
    let from = 0;
    if (!this.isUpgraded) {
      const end = bytes.subarray(0, to).indexOf(HEADERS_END);
      if (end < 0) {
        this.rest = Buffer.from(bytes.subarray(0, to));
        return;
      }
      from = end + HEADERS_END.length;
      if (!bytes.toString('latin1', 0, 12).endsWith('101')) {
        this.drop();
        return;
      }
      this.upgraded();
    }
    const at = machineMs();
    const next = eachFrame(bytes, from, to, (opcode, all, start, end) => this.onFrame(opcode, all, start, end, at));
    this.rest = next === to ? undefined : Buffer.from(bytes.subarray(next, to));
  }

  private upgraded(): void {
    this.isUpgraded = true;
    if (this.rules.isReadyAtOnce) this.ready();
    if (this.dialect !== 'parley') return;
    const { token, conversationId } = this.spec;
    this.send(JSON.stringify({ type: 'hello', token, resume: [{ conversationId, seq: this.log.contiguous }] }));
  }

  private onFrame(opcode: number, bytes: Buffer, start: number, end: number, at: number): void {
    if (opcode === opcodes.text) {
      const seq = seqOf(bytes, start + this.rules.offset, end);
      if (seq > 0) this.onMessage(seq, at);
      else this.onControl(bytes.toString('utf8', start, end));
    } else if (opcode === opcodes.ping) {
      this.socket?.write(clientFrame(opcodes.pong, bytes.subarray(start, end)));
    } else if (opcode === opcodes.close) {
      this.closeCode = end - start >= 2 ? bytes.readUInt16BE(start) : NO_CODE;
      this.socket?.end(clientFrame(opcodes.close, Buffer.from(bytes.subarray(start, end))));
    }
  }

  private onMessage(seq: number, at: number): void {
    const { counts, firstAt, lastAt } = this.conversation;
    if (!this.log.note(seq)) return;
    counts[seq] = (counts[seq] ?? 0) + 1;
    if (counts[seq] === 1) firstAt[seq] = at;
    lastAt[seq] = at;
    if (this.dialect === 'parley' && seq > this.log.contiguous) this.askForGap();
    this.listener.onMessage(this);
  }

  /** The client rule: once per gap. */
  private askForGap(): void {
    const { contiguous } = this.log;
    if (this.isAskingFor > contiguous || !this.isReady) return;
    this.isAskingFor = contiguous + 1;
    this.send(JSON.stringify({ type: 'resume', conversationId: this.spec.conversationId, seq: contiguous }));
  }

  private onControl(text: string): void {
    const { answer, isReady } = this.rules.onControl(text);
    if (answer !== undefined) this.send(answer);
    if (isReady) this.ready();
  }

  private ready(): void {
    if (this.isReady) return;
    this.isReady = true;
    this.listener.onReady(this);
  }

  private send(text: string): void {
    this.socket?.write(clientFrame(opcodes.text, Buffer.from(text)));
  }
}
