import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { migrate } from '#lib/database/adapters/migrate';
import { createLogger } from '#lib/runtime/log/logger';
import { BEGIN, STARTED, STOP } from './standalone-message.js';

/** Arguments: the app's entry file, and what that loads, which this may load before Postgres answers. Then the schema, then the app, in this process. */
const [entry = '', loaded = ''] = process.argv.slice(2);
const begun = once(process, 'message').then(([first]) => (first === BEGIN ? undefined : process.exit(0)));

// Windows has no signal that a process could take in order: the app hears its own kind of order. Before it listens there is nothing to finish: a
// migration that is cut off is rolled back.
process.on('message', (message) => {
  if (message === STOP && !process.emit('SIGTERM', 'SIGTERM')) process.exit(0);
});
// The parent was killed, and this goes with it: what was acknowledged is in Postgres, and the next start wants the ports at once.
process.once('disconnect', () => process.exit(1));

if (loaded !== '') await import(pathToFileURL(loaded).href);
await begun;
await migrate({ url: process.env['DATABASE_URL'] ?? '', logger: createLogger('migrate', 'info') });
await import(pathToFileURL(entry).href);
process.send?.(STARTED, () => undefined); // its parent may be gone
