import type { Change } from '#client/ordered-conversation';
import { ParleySocket } from '#client/parley-socket';
import { SOCKET_PATH } from '#lib/contracts/socket';
import { FaultProxy } from '#lib/testing/fault-proxy';

/** A realtime process that users may connect to. */
export interface RealtimePlace {
  readonly name: string;
  /** `http:` or `ws:`, with or without the path. */
  readonly url: string;
}

/** One user with one socket on one realtime process, behind a network that the demo can take away. */
export class LiveUser {
  /** `seq` of every message that was shown, in the order in which it was. */
  readonly shown: number[] = [];
  /** When each of them came (`performance.now()`), by `seq`. */
  private readonly arrivedAt = new Map<number, number>();
  private readonly waiting = new Map<number, () => void>();

  /** Messages up to this `seq` are read as they come; the others stay unread. */
  readsUpTo = Number.POSITIVE_INFINITY;
  /** How far each member has read, as its receipts said here. */
  readonly readBy = new Map<string, number>();

  private constructor(
    readonly name: string,
    readonly place: RealtimePlace,
    readonly socket: ParleySocket,
    private readonly network: FaultProxy,
  ) {
    socket.on('message', (change) => this.see(change));
    socket.on('receipt', ({ userId, readSeq }) => this.readBy.set(userId, Math.max(readSeq, this.readBy.get(userId) ?? 0)));
  }

  /** Connects. @throws ParleyError when the token is refused, and an Error when the process cannot be reached within `timeoutMs`. */
  static async connect(name: string, place: RealtimePlace, token: () => Promise<string>, timeoutMs: number): Promise<LiveUser> {
    const address = new URL(SOCKET_PATH, place.url.replace(/^http/, 'ws'));
    const network = await FaultProxy.before(address.href);
    const socket = new ParleySocket({ url: network.through(address.href), token });
    const user = new LiveUser(name, place, socket, network);
    const tooLong = setTimeout(() => socket.close(), timeoutMs);
    try {
      await socket.connect();
      return user;
    } catch (cause) {
      await user.leave();
      throw new Error(`${name} cannot connect to ${place.name} at ${address.href}`, { cause });
    } finally {
      clearTimeout(tooLong);
    }
  }

  get isOnline(): boolean {
    return this.socket.state.state === 'live';
  }

  /** The newest message that was shown. */
  get lastSeq(): number {
    return this.shown.at(-1) ?? 0;
  }

  /** When the message came; waits for it. @returns undefined when it does not come in time. */
  async arrival(seq: number, withinMs: number): Promise<number | undefined> {
    if (!this.arrivedAt.has(seq)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        this.waiting.set(seq, () => {
          clearTimeout(timer);
          resolve();
        });
      });
      this.waiting.delete(seq);
    }
    return this.arrivedAt.get(seq);
  }

  /** The network is gone: the connection breaks, and no other one comes up. */
  async loseNetwork(): Promise<void> {
    await this.network.set({ kind: 'refuse' }, 'new');
    await this.network.set({ kind: 'reset' }, 'existing');
  }

  async regainNetwork(): Promise<void> {
    await this.network.heal();
  }

  async leave(): Promise<void> {
    this.socket.close();
    await this.network.stop();
  }

  private see({ conversationId, seq }: Change): void {
    this.shown.push(seq);
    this.socket.markDelivered(conversationId, seq);
    if (seq <= this.readsUpTo) this.socket.markRead(conversationId, seq);
    this.arrivedAt.set(seq, performance.now());
    this.waiting.get(seq)?.();
  }
}
