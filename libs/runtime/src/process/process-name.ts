import { hostname } from 'node:os';

/** The name of this process in `CLIENT LIST` of Redis, in `pg_stat_activity` (R062) and in the RabbitMQ management UI: `parley-<app>@<host>#<pid>`. */
export const processName = (app: string): string => `parley-${app}@${hostname()}#${process.pid}`;
