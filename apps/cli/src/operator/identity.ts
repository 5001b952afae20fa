import { hostname, userInfo } from 'node:os';

/** What the command line calls itself to Postgres, RabbitMQ and in its log, as each service does. */
export const APP = 'cli';

/** `user@host` of who gave the command, for audit lines and records. */
export const operatorName = (): string => `${userInfo().username}@${hostname()}`;
