import { createHash } from 'node:crypto';
import { Module } from '@nestjs/common';
import { MemorySharedBudget } from '#lib/resilience/adapters/memory-shared-budget';
import { Breakers } from '#lib/resilience/call/breakers';
import { SharedBudgetPort } from '#lib/resilience/limit/shared-budget.port';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { processName } from '#lib/runtime/process/process-name';
import { LocalAnalysis } from './adapters/local-analysis.js';
import { AnalyzeConversation } from './analyze-conversation.js';
import { LlmAnalysisPort } from './llm-analysis.port.js';
import { LlmBudget } from './llm-budget.js';

/** The analysis of conversations with LLM_PROVIDER. Exports AnalyzeConversation. */
@Module({
  providers: [
    AnalyzeConversation,
    {
      provide: LlmAnalysisPort,
      inject: [CONFIG, Breakers, LOGGER, Lifecycle],
      useFactory: async (config: Config, breakers: Breakers, logger: Logger, lifecycle: Lifecycle): Promise<LlmAnalysisPort> => {
        const analysis = await analysisOf(config, breakers, logger, lifecycle);
        lifecycle.add({ name: 'language model', phase: 'stores', stop: () => analysis.close() });
        return analysis;
      },
    },
  ],
  exports: [AnalyzeConversation],
})
export class AnalysisModule {}

const analysisOf = async (config: Config, breakers: Breakers, logger: Logger, lifecycle: Lifecycle): Promise<LlmAnalysisPort> => {
  const { LLM_PROVIDER: provider, LLM_BASE_URL: baseUrl, LLM_MODEL: model, LLM_API_KEY: apiKey } = config;
  // The configuration is checked: `openai` has both.
  if (provider === 'local' || baseUrl === undefined || model === undefined) return new LocalAnalysis();
  const { OpenAiAnalysis } = await import('./adapters/openai/openai-analysis.js');
  const budget = new LlmBudget(await sharedBudget(config, breakers, logger, lifecycle));
  return new OpenAiAnalysis({ baseUrl, model, apiKey }, budget, breakers);
};

/** Without REDIS_URL there is one scoring process, which counts alone. */
const sharedBudget = async (
  { REDIS_URL: url, LLM_REQUESTS_PER_MINUTE: perMinute, LLM_BASE_URL, LLM_API_KEY }: Config,
  breakers: Breakers,
  logger: Logger,
  lifecycle: Lifecycle,
): Promise<SharedBudgetPort> => {
  if (url === undefined) return new MemorySharedBudget(perMinute);
  // Loaded here, so that a process without Redis does not hold ioredis in memory.
  const { connectRedis } = await import('#lib/resilience/adapters/redis-connection');
  const { RedisSharedBudget } = await import('#lib/resilience/adapters/redis-shared-budget');
  const onError = (error: Error) => logger.debug({ error: error.message }, 'redis connection failed');
  const redis = connectRedis(url, processName('scoring'), onError);
  lifecycle.add({ name: 'redis of the LLM budget', phase: 'stores', stop: () => redis.disconnect() });
  // What a vendor counts is the account: processes with the same key at the same address spend the same budget.
  const account = createHash('sha256').update(`${LLM_BASE_URL}\n${LLM_API_KEY}`).digest('hex').slice(0, 16);
  return new RedisSharedBudget(redis, breakers, `llm:${account}`, perMinute);
};
