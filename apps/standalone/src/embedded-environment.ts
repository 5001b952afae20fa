/** Settings that name servers which one process does not use. `.invalid` leads nowhere (RFC 2606), should anything ever ask for it. */
const WITHOUT_SERVERS = {
  RABBITMQ_URL: 'amqp://in-process.invalid',
  RABBITMQ_MANAGEMENT_URL: '',
  REDIS_URL: '',
  CHROMA_URL: 'http://in-process.invalid',
} as const;

/** What one process does better with than with the defaults, which are for one of many: connections for all apps, and less memory for texts seen before. */
const DEFAULTS = { DB_POOL_SIZE: '20', DB_POOL_BUDGET_PROCESSES: '1', EMBEDDING_CACHE_SIZE: '10000' } as const;

/** The environment as the process reads it: servers that it does not use are not asked for, and not used when they are named. */
export const embeddedEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...DEFAULTS,
  ...env,
  ...withoutFiles,
  ...WITHOUT_SERVERS,
});

/** A secret may stand in a file. */
const withoutFiles = Object.fromEntries(Object.keys(WITHOUT_SERVERS).map((name) => [`${name}_FILE`, '']));

/** Settings that were given and mean nothing here. */
export const ignoredSettings = (env: NodeJS.ProcessEnv): string[] =>
  Object.keys(WITHOUT_SERVERS).filter((name) => (env[name] ?? env[`${name}_FILE`] ?? '') !== '');
