/** Everything outside our processes that a call can wait for. One breaker per dependency and operation class; labels of metrics and health. */
export const dependencies = ['postgres', 'rabbitmq', 'redis', 'chroma', 'embedder', 'llm', 'objectStore'] as const;
export type DependencyName = (typeof dependencies)[number];
