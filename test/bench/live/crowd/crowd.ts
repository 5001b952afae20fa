import { machineMs } from './clock.js';
import { CrowdSocket, type CrowdListener, type MemberSpec } from './crowd-socket.js';
import type { Dialect } from './dialect.js';
import { type ConversationLog, conversationLog } from './member-log.js';

/** A crowd that is to be opened. */
export interface CrowdSpec {
  readonly dialect: Dialect;
  readonly members: readonly MemberSpec[];
  readonly conversationCount: number;
  /** Most messages of a conversation. */
  readonly capacity: number;
}

/** When the members of a crowd were ready after they were let go, in milliseconds, and how often a try failed. */
export interface Comeback {
  readonly readyMs: readonly number[];
  /** When each had every message up to the head that was asked for. */
  readonly wholeMs: readonly number[];
  readonly triesFailed: number;
}

/** What all members of a crowd saw, added up. */
export interface CrowdCounts {
  readonly missing: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  /** Members of whom a message is missing. */
  readonly membersWithGaps: number;
  readonly closed: Readonly<Record<string, number>>;
}

const CONNECTING_AT_ONCE = 200;
/** Every client of every server waits a random part of this before it comes back, and between tries: the kindest case for all of them. */
const COME_BACK_WITHIN_MS = 500;

/** Many members in one process. After a connection that broke a member comes back to its next server, unless the crowd is held back. */
export class Crowd implements CrowdListener {
  private readonly sockets: CrowdSocket[];
  readonly logs: readonly ConversationLog[];
  private waiting: CrowdSocket[] = [];
  private connecting = 0;
  private isHeldBack = false;
  private isClosing = false;
  private readonly closed: Record<string, number> = {};
  private triesFailed = 0;
  private letGoAt = 0;
  private wholeAt = 0;
  private readyMs: number[] = [];
  private wholeMs: number[] = [];
  private readonly whole = new Set<CrowdSocket>();

  constructor({ dialect, members, conversationCount, capacity }: CrowdSpec) {
    this.logs = Array.from({ length: conversationCount }, () => conversationLog(capacity));
    this.sockets = members.map((spec) => new CrowdSocket(spec, dialect, this.logOf(spec.conversation), this));
  }

  get readyCount(): number {
    return this.sockets.filter(({ isReady }) => isReady).length;
  }

  open(): void {
    this.waiting.push(...this.sockets);
    this.connectMore();
  }

  /** From now on members whose connection breaks stay away. */
  holdBack(): void {
    this.isHeldBack = true;
  }

  /** All that stayed away connect at once; from now on it is counted when each is ready and has everything up to `head`. */
  letGo(head: number): void {
    this.isHeldBack = false;
    this.wholeAt = head;
    this.letGoAt = machineMs();
    this.triesFailed = 0;
    this.readyMs = [];
    this.wholeMs = [];
    this.whole.clear();
    for (const socket of this.sockets) if (!socket.isReady) socket.open();
  }

  comeback(): Comeback {
    return { readyMs: this.readyMs, wholeMs: this.wholeMs, triesFailed: this.triesFailed };
  }

  counts(heads: readonly number[]): CrowdCounts {
    const missing = this.sockets.map(({ log, spec }) => log.missing(heads[spec.conversation] ?? 0));
    return {
      missing: missing.reduce((sum, count) => sum + count, 0),
      duplicated: this.sockets.reduce((sum, { log }) => sum + log.duplicated, 0),
      outOfOrder: this.sockets.reduce((sum, { log }) => sum + log.outOfOrder, 0),
      membersWithGaps: missing.filter((count) => count > 0).length,
      closed: this.closed,
    };
  }

  close(): void {
    this.isClosing = true;
    for (const socket of this.sockets) socket.drop();
  }

  onReady(socket: CrowdSocket): void {
    if (this.connecting > 0) this.connecting -= 1;
    this.connectMore();
    if (this.letGoAt === 0) return;
    this.readyMs.push(machineMs() - this.letGoAt);
    this.onMessage(socket);
  }

  onClosed(socket: CrowdSocket, code: number): void {
    if (this.isClosing) return;
    this.closed[code] = (this.closed[code] ?? 0) + 1;
    this.triesFailed += 1;
    if (this.isHeldBack) return;
    setTimeout(() => {
      if (!this.isClosing && !this.isHeldBack) socket.open();
    }, Math.random() * COME_BACK_WITHIN_MS);
  }

  onMessage(socket: CrowdSocket): void {
    if (this.wholeAt === 0 || !socket.isReady || socket.log.contiguous < this.wholeAt || this.whole.has(socket)) return;
    this.whole.add(socket);
    this.wholeMs.push(machineMs() - this.letGoAt);
  }

  private connectMore(): void {
    while (this.connecting < CONNECTING_AT_ONCE) {
      const socket = this.waiting.shift();
      if (socket === undefined) return;
      this.connecting += 1;
      socket.open();
    }
  }

  private logOf(conversation: number): ConversationLog {
    const log = this.logs[conversation];
    if (log === undefined) throw new Error(`there is no conversation ${conversation}`);
    return log;
  }
}
