import type { DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newId } from '#lib/contracts/ids';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { mintToken } from '#lib/devstack/mint-token';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { parseConfig } from '#lib/runtime/config/config';
import { Readiness } from '#lib/runtime/health/readiness';
import { createLogger } from '#lib/runtime/log/logger';
import { createOperationsApp } from '#lib/runtime/process/http-server';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { startApp } from '#lib/runtime/process/start-app';
import { SocketClient, type SocketOptions } from '#lib/testing/socket-client';
import { RealtimeModule } from './realtime.module.js';
import { connectionLimits } from './start-realtime.js';

const SECRET = 'a-secret-of-at-least-thirty-two-bytes';
const running: { close(): Promise<void> }[] = [];

class Root {}

/** A realtime process on memory adapters, inside the test, that listens on a real port. */
export class MemoryRealtime {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
    /** Lines of its log, when they were asked for. */
    readonly log: Record<string, unknown>[],
    private readonly stopApp: () => Promise<void>,
  ) {}

  /** @param env settings beside the defaults, under which nothing of a user is limited that is not set. {@link closeRealtimes} ends it. */
  static async boot(env: Readonly<Record<string, string>> = {}): Promise<MemoryRealtime> {
    const [port = 0] = await freePorts(1);
    const config = parseConfig({
      PORT: String(port),
      HOST: '127.0.0.1',
      DATABASE_URL: 'postgres://unused',
      RABBITMQ_URL: 'amqp://unused',
      CHROMA_URL: 'http://unused',
      AUTH_JWT_SECRET: SECRET,
      RATE_LIMIT_PER_USER: '0',
      WS_DRAIN_MS: '0',
      ...env,
    });
    const readiness = new Readiness();
    const log: Record<string, unknown>[] = [];
    const destination = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) };
    const logger = createLogger('realtime', 'debug', destination);
    const root: DynamicModule = { module: Root, imports: [ProcessModule.of({ config, logger, readiness }), RealtimeModule.inMemory()] };
    const app = await createOperationsApp(root, connectionLimits(config));
    const stop = await startApp(app, config);
    readiness.started();
    const realtime = new MemoryRealtime(app, `http://127.0.0.1:${port}`, log, stop);
    let stopping: Promise<void> | undefined;
    realtime.stop = () => {
      readiness.drain();
      stopping ??= stop().finally(() => readiness.stop());
      return stopping;
    };
    running.push({ close: () => realtime.stop() });
    return realtime;
  }

  stop(): Promise<void> {
    return this.stopApp();
  }

  tokenOf(user: string, { ttlSeconds = 600 } = {}): Promise<string> {
    return mintToken(SECRET, { user, ttlSeconds });
  }

  /** A socket that has been welcomed. */
  async connect(user: string, options: SocketOptions = {}): Promise<SocketClient> {
    return SocketClient.connect(this.url, await this.tokenOf(user), options);
  }

  /** A socket that has said nothing. */
  open(options: SocketOptions = {}): Promise<SocketClient> {
    return SocketClient.open(this.url, options);
  }

  async conversation(creatorId: string, ...others: string[]): Promise<string> {
    const store = this.app.get(ConversationStorePort, { strict: false });
    const { id } = await store.create({ title: newId(), creatorId, memberIds: [creatorId, ...others] });
    return id;
  }
}

/** Ends what {@link MemoryRealtime.boot} began. */
export const closeRealtimes = async (): Promise<void> => {
  await Promise.all(running.splice(0).map((each) => each.close()));
};
