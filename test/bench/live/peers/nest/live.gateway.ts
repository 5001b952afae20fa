import { Inject } from '@nestjs/common';
import { type OnGatewayConnection, type OnGatewayDisconnect, WebSocketGateway } from '@nestjs/websockets';
import { Redis } from 'ioredis';
import type { WebSocket } from 'ws';
import { PeerDatabase, peerFrame, type PeerMessage } from '../peer-messages.js';

interface Broadcast {
  readonly memberIds: readonly string[];
  readonly frame: unknown;
}

const CHANNEL = 'chat:broadcast';

@WebSocketGateway()
export class LiveGateway implements OnGatewayConnection, OnGatewayDisconnect {
  private readonly sockets = new Map<string, Set<WebSocket>>();
  private readonly users = new WeakMap<WebSocket, string>();
  private readonly publisher = new Redis(process.env['REDIS_URL'] ?? '');
  private readonly subscriber = this.publisher.duplicate();

  constructor(@Inject(PeerDatabase) private readonly database: PeerDatabase) {
    for (const redis of [this.publisher, this.subscriber]) redis.on('error', () => undefined); // it reconnects by itself
    void this.subscriber.subscribe(CHANNEL);
    this.subscriber.on('message', (_channel, text: string) => void this.deliver(JSON.parse(text) as Broadcast));
  }

  handleConnection(socket: WebSocket, request: { url?: string }): void {
    const user = new URL(request.url ?? '', 'ws://stock').searchParams.get('user') ?? '';
    this.users.set(socket, user);
    this.sockets.set(user, (this.sockets.get(user) ?? new Set()).add(socket));
  }

  handleDisconnect(socket: WebSocket): void {
    const user = this.users.get(socket) ?? '';
    const own = this.sockets.get(user);
    own?.delete(socket);
    if (own?.size === 0) this.sockets.delete(user);
  }

  async broadcast(message: PeerMessage, seq: number): Promise<void> {
    const memberIds = await this.database.membersOf(message.conversationId);
    await this.publisher.publish(CHANNEL, JSON.stringify({ memberIds, frame: peerFrame(message, seq) } satisfies Broadcast));
  }

  private async deliver({ memberIds, frame }: Broadcast): Promise<void> {
    for (const memberId of memberIds) {
      for (const socket of this.sockets.get(memberId) ?? []) {
        await new Promise<void>((resolve) => socket.send(JSON.stringify(frame), () => resolve()));
      }
    }
  }
}
