import { pushProviders } from './push.js';

/** The dependencies that `GET /v1/health` names, used by this deployment or not. */
export const dependencies = ['postgres', 'rabbitmq', 'redis', 'chroma', 'embedder', 'llm', 'objectStore'] as const;

/**
 * Every external dependency. One breaker per dependency and operation class; also labels of metrics. Health does not name the providers of
 * pushes, the memory API and the channels of alerts, without which nothing but them is missing: `GET /v1/admin/breakers` shows theirs.
 */
export const everyDependency = [...dependencies, ...pushProviders, 'memory', 'googleChat', 'alertWebhook'] as const;
export type DependencyName = (typeof everyDependency)[number];
