import { pathToFileURL } from 'node:url';
import { migrate } from '#lib/database/adapters/migrate';
import { createLogger } from '#lib/runtime/log/logger';
import { STOP } from './standalone-message.js';

/** First the schema, then the app, in the process that {@link StandaloneProcess} starts. Arguments: the app's entry file. */
const [entry = ''] = process.argv.slice(2);

// Windows has no signal that a process could take in order: the app hears its own kind of order.
process.on('message', (message) => message === STOP && process.emit('SIGTERM', 'SIGTERM'));
// The parent was killed, and this goes with it: what was acknowledged is in Postgres, and the next start wants the ports at once.
process.once('disconnect', () => process.exit(1));

await migrate({ url: process.env['DATABASE_URL'] ?? '', logger: createLogger('migrate', 'info') });
await import(pathToFileURL(entry).href);
