import type { PrivateStack } from '#lib/devstack/private-stack';
import { FaultProxy } from './fault-proxy.js';
import type { RunningParleyOptions } from './running-parley.js';
import { alwaysAnswering, MODEL_DIMENSION, openAiModel, ScriptedHttpServer } from './scripted-http-server.js';
import { ScriptedFcm } from './scripted-fcm.js';
import { ScriptedLlm } from './scripted-llm.js';
import { ScriptedS3 } from './scripted-s3.js';

/** Notes that a thing was started, so that it is stopped should another one not come up. */
export type Started = <T extends { stop(): Promise<void> }>(thing: T) => T;

/** The servers of a Parley, and stand-ins for what others run. */
export type FaultyServers = Awaited<ReturnType<typeof standInsBeside>>;

/** The proxies before them, by what can be taken away. */
export type FaultyProxies = Awaited<ReturnType<typeof proxiesBefore>>;

/** Starts a stand-in for everything that Parley calls beside its own servers. */
export async function standInsBeside(stack: PrivateStack, started: Started) {
  const posted = { count: 0 };
  const takeAlert = () => {
    posted.count += 1;
    return { status: 200 };
  };
  return {
    stack,
    /** Alerts that the webhook took. */
    posted,
    model: started(await ScriptedHttpServer.start(openAiModel())),
    llm: started(await ScriptedLlm.start()),
    s3: started(await ScriptedS3.start()),
    memory: started(await ScriptedHttpServer.start(() => ({ status: 200, body: [] }))),
    fcm: started(await ScriptedFcm.start()),
    collector: started(await ScriptedHttpServer.start(() => ({ status: 200 }))),
    webhook: started(await ScriptedHttpServer.start(takeAlert)),
    /** Answers 500 in place of another one. */
    broken: started(await ScriptedHttpServer.start(alwaysAnswering(500))),
  };
}

/** Starts a proxy before each; before Chroma a second one for a second indexer, before RabbitMQ one for its management API. */
export async function proxiesBefore(servers: FaultyServers, isTwice: boolean, started: Started) {
  const { stack, model, llm, s3, memory, fcm, collector, webhook } = servers;
  const before = async (url: string) => started(await FaultProxy.before(url));
  const chroma: readonly [FaultProxy, FaultProxy?] = isTwice
    ? [await before(stack.chromaUrl), await before(stack.chromaUrl)]
    : [await before(stack.chromaUrl)];
  return {
    postgres: [await before(stack.databaseUrl)],
    rabbitmq: [await before(stack.rabbitmqUrl), await before(stack.rabbitmqManagementUrl)],
    redis: [await before(stack.redisUrl)],
    chroma,
    embedder: [await before(model.url)],
    llm: [await before(llm.url)],
    objectStore: [await before(s3.url)],
    memory: [await before(memory.url)],
    fcm: [await before(fcm.url)],
    collector: [await before(collector.url)],
    webhook: [await before(webhook.url)],
  } as const;
}

/** What leads a Parley to the servers through the proxies. @param traces spans go to the collector. */
export function through(
  proxies: FaultyProxies,
  servers: FaultyServers,
  traces: boolean,
): Pick<RunningParleyOptions, 'stack' | 'via' | 'twice'> & { readonly env: Readonly<Record<string, string>> } {
  const { stack, model, llm, s3, memory, fcm, collector, webhook } = servers;
  const [postgres, redis] = [proxies.postgres[0], proxies.redis[0]];
  const [rabbitmq, management] = proxies.rabbitmq;
  const [chroma, chromaOfSecond] = proxies.chroma;
  fcm.publicUrl = new URL(proxies.fcm[0].through(fcm.url)).origin;
  return {
    stack,
    ...(chromaOfSecond && { twice: { gateway: {}, realtime: {}, embedding: { CHROMA_URL: chromaOfSecond.through(stack.chromaUrl) } } }),
    via: {
      DATABASE_URL: (url) => postgres.through(url),
      RABBITMQ_URL: (url) => rabbitmq.through(url),
      RABBITMQ_MANAGEMENT_URL: (url) => management.through(url),
      REDIS_URL: (url) => redis.through(url),
      CHROMA_URL: (url) => chroma.through(url),
    },
    env: {
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_MODEL: 'stand-in',
      EMBEDDING_DIMENSION: String(MODEL_DIMENSION),
      EMBEDDING_BASE_URL: proxies.embedder[0].through(`${model.url}/v1`),
      ...llm.settings,
      LLM_BASE_URL: proxies.llm[0].through(llm.url),
      LLM_REQUESTS_PER_MINUTE: '60000',
      OBJECT_STORE_URL: `s3://logs/parley?endpoint=${encodeURIComponent(proxies.objectStore[0].through(s3.url))}`,
      S3_ACCESS_KEY_ID: 'test',
      S3_SECRET_ACCESS_KEY: 'testsecret',
      MEMORY_API_URL: proxies.memory[0].through(memory.url),
      ALERT_WEBHOOK_URL: proxies.webhook[0].through(webhook.url),
      FCM_URL: fcm.publicUrl,
      FCM_SERVICE_ACCOUNT: fcm.serviceAccount,
      ...(traces ? { OTEL_EXPORTER_OTLP_ENDPOINT: new URL(proxies.collector[0].through(collector.url)).origin } : {}),
      RATE_LIMIT_PER_USER: '10000', // on, so that Redis is asked; never reached
    },
  };
}
