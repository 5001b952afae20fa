import type { PushProvider } from './push.js';

/** The dependencies that `GET /v1/health` names, used by this deployment or not. */
export const dependencies = ['postgres', 'rabbitmq', 'redis', 'chroma', 'embedder', 'llm', 'objectStore'] as const;

/**
 * Every external dependency. One breaker per dependency and operation class; also labels of metrics. The gateway, which answers for health, has
 * nothing to do with the providers of pushes: `GET /v1/admin/breakers` shows theirs.
 */
export type DependencyName = (typeof dependencies)[number] | PushProvider;
