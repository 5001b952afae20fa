import { closeCodes } from '#lib/contracts/socket';
import { withoutDeadline } from '#lib/resilience/call/deadline';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { within } from '#lib/runtime/work/within';
import { type OutgoingFrame, outgoing } from './live-session.js';
import { Session, type SessionParts } from './session.js';
import type { SessionSocket } from './session-socket.js';

/** How often the shared clock looks, in milliseconds: how late a ping, a pong or the end of a token may be noticed, and how long receipts are merged. */
const TICK_MS = 200;
/** After the drain: sends in hand are acknowledged, close frames answered. The process has 5 s (main.ts). */
const LAST_MS = 3_500;
/** Labels of `ws_closed_total`; what else a client closes with is `other`. */
const KNOWN_CODES: ReadonlySet<number> = new Set([...Object.values(closeCodes), 1000, 1001, 1002, 1005, 1006, 1007, 1011, 1013]);

/** All sessions of this process: one clock for their pings, pongs, tokens and receipts, their metrics and log lines, and how they leave. */
export class Sessions {
  private readonly all = new Set<Session>();
  private readonly shared: SessionParts;
  private timer: NodeJS.Timeout | undefined;
  private pingFrame: OutgoingFrame | undefined;
  private draining = false;
  private whenEmpty: (() => void) | undefined;

  constructor(
    private readonly parts: Omit<SessionParts, 'ping' | 'onEnd'>,
    private readonly logger: Logger,
  ) {
    this.shared = { ...parts, ping: () => this.ping(), onEnd: (session) => this.ended(session) };
  }

  /** Sockets, also those without a hello. */
  get size(): number {
    return this.all.size;
  }

  /** Whether no more sockets are taken. */
  get isFull(): boolean {
    return this.all.size >= this.parts.limits.maxSockets;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Begins a session on an open socket. */
  begin(socket: SessionSocket): Session {
    const session = new Session(socket, this.shared);
    this.all.add(session);
    metrics.wsConnections.inc();
    return session;
  }

  start(): void {
    // Judged only when what has come is read: after a standstill of the process timers run first, and a hello or pong may have been there in time.
    this.timer = withoutDeadline(() => setInterval(() => setImmediate(() => this.tick(performance.now())), TICK_MS));
    this.timer.unref();
  }

  /** Lets all clients go, at moments spread over the drain time; cuts off those that are left 3.5 s later. */
  async drain(): Promise<void> {
    this.draining = true;
    const { limits, receipts } = this.parts;
    const sessions = [...this.all];
    // Each in a slot of its own, at random inside it: no two processes that drain at once have the same rhythm.
    for (const [i, session] of sessions.entries()) session.leaveIn(((i + Math.random()) / sessions.length) * limits.drainMs);
    if (this.all.size > 0) await within(limits.drainMs + LAST_MS, new Promise<void>((resolve) => (this.whenEmpty = resolve)));
    for (const session of this.all) session.cut();
    await within(LAST_MS, receipts.finish());
    clearInterval(this.timer);
    this.parts.counts.write();
  }

  private tick(now: number): void {
    this.pingFrame = undefined;
    for (const session of this.all) if (session.dueAt <= now) session.due(now);
    this.parts.receipts.flush();
    this.parts.counts.write();
  }

  private ping(): OutgoingFrame {
    this.pingFrame ??= outgoing({ type: 'ping', serverTime: new Date().toISOString() });
    return this.pingFrame;
  }

  private ended(session: Session): void {
    this.all.delete(session);
    metrics.wsConnections.dec();
    const { id, knownUser, startedAt, framesIn, framesOut, failure } = session;
    const { code, reason } = session.end ?? { code: 1006, reason: '' };
    metrics.wsClosed.inc({ code: KNOWN_CODES.has(code) ? String(code) : 'other' });
    if (code === closeCodes.slowConsumer) metrics.wsSlowConsumerClosed.inc();
    const durationMs = Math.round(performance.now() - startedAt);
    const fields = { sessionId: id, userId: knownUser, code, ...(reason !== '' && { reason }), durationMs, framesIn, framesOut };
    // A stranger that comes and goes must not fill the log.
    if (failure !== undefined) this.logger.error({ ...fields, err: failure }, 'session');
    else this.logger[knownUser === undefined ? 'debug' : 'info'](fields, 'session');
    if (this.all.size === 0) this.whenEmpty?.();
  }
}
