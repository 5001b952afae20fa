import type { Server } from 'node:http';
import { Inject, Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthModule } from '#lib/auth/auth.module';
import { TokenVerifierPort } from '#lib/auth/token-verifier.port';
import { AcceptMessage } from '#lib/conversations/accept-message';
import { RecordReceipt } from '#lib/conversations/record-receipt';
import { LoadModule } from '#lib/database/load.module';
import { PresencePort } from '#lib/live/presence/presence.port';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { LIMITERS, type Limiters } from '#lib/resilience/limit/limiters';
import { MemoryPressure } from '#lib/resilience/load/memory-pressure';
import { Pressure } from '#lib/resilience/load/pressure';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { SocketServer } from '../adapters/ws/socket-server.js';
import { Strangers } from '../adapters/ws/strangers.js';
import { LiveConversations } from '../live/live-conversations.js';
import { LiveConversationsModule } from '../live/live-conversations.module.js';
import { FrameCounts } from './frame-counts.js';
import { PendingReceipts } from './pending-receipts.js';
import { SendMessages } from './send-messages.js';
import { sessionLimits } from './session-limits.js';
import { Sessions } from './sessions.js';

/** Sends of one user in hand, as requests in the gateway. */
const SENDS_PER_USER = 50;
/** Added to the drain of the sockets: the last sends and close frames, and a margin. */
const STOP_MARGIN_MS = 8_000;

const sendMessages = (messages: AcceptMessage, limiters: Limiters, pressure: Pressure, config: Config, logger: Logger) => {
  const { HTTP_MAX_CONCURRENT: max, HTTP_MAX_CONCURRENT_PER_USER: own, RATE_LIMIT_PER_USER: rate } = config;
  const maxPerCaller = own ?? (rate === 0 ? 0 : SENDS_PER_USER);
  return new SendMessages(messages, limiters, pressure, new FairShare({ max, maxPerCaller }), logger);
};

const sessions = (
  verifier: TokenVerifierPort,
  presence: PresencePort,
  live: LiveConversations,
  sends: SendMessages,
  receipts: PendingReceipts,
  { perUser: hellos }: Limiters,
  config: Config,
  logger: Logger,
) => new Sessions({ limits: sessionLimits(config), verifier, presence, hellos, live, sends, receipts, counts: new FrameCounts() }, logger);

/** The sockets of users: they are let in last at the start, and drained first at the stop. */
@Module({
  imports: [AuthModule, LoadModule, LiveConversationsModule],
  providers: [
    RecordReceipt,
    { provide: SendMessages, inject: [AcceptMessage, LIMITERS, Pressure, CONFIG, LOGGER], useFactory: sendMessages },
    {
      provide: PendingReceipts,
      inject: [RecordReceipt],
      useFactory: (recordReceipt: RecordReceipt) => new PendingReceipts(recordReceipt),
    },
    {
      provide: Sessions,
      inject: [TokenVerifierPort, PresencePort, LiveConversations, SendMessages, PendingReceipts, LIMITERS, CONFIG, LOGGER],
      useFactory: sessions,
    },
  ],
  exports: [Sessions],
})
export class SessionsModule {
  constructor(@Inject(CONFIG) config: Config, host: HttpAdapterHost, all: Sessions, memory: MemoryPressure, lifecycle: Lifecycle) {
    const { HTTP_MAX_CONNECTIONS: max, HTTP_MAX_CONNECTIONS_PER_ADDRESS: maxPerAddress } = config;
    const strangers = new Strangers({ max, maxPerAddress });
    const { CORS_ORIGINS: origins, WS_MAX_FRAME_BYTES: maxFrameBytes, WS_DRAIN_MS: drainMs } = config;
    const sockets = new SocketServer({ sessions: all, strangers, memory, origins, maxFrameBytes });
    const start = () => {
      const server = host.httpAdapter.getHttpServer() as Server;
      strangers.watch(server);
      sockets.listen(server);
      all.start();
    };
    lifecycle.add({ name: 'sockets', phase: 'intake', start, stop: () => all.drain(), stopWithinMs: drainMs + STOP_MARGIN_MS });
  }
}
