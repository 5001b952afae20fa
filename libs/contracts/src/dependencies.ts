/** Every external dependency. One breaker per dependency and operation class; also labels of metrics and names in health. */
export const dependencies = ['postgres', 'rabbitmq', 'redis', 'chroma', 'embedder', 'llm', 'objectStore'] as const;
export type DependencyName = (typeof dependencies)[number];
