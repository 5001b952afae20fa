import { ConfigError, EXIT_CONFIG } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { bringUpToDate } from '#lib/database/adapters/bring-up-to-date';
import { counted } from '#lib/devstack/terminal/counted';
import { Explained, reasonOf } from '#lib/devstack/terminal/explain';
import { operatorConfig } from '../operator/operator-config.js';

/** `parley migrate`: what `npm start` and a rollout do first, by hand. */
export async function migrate({ json = false }: { json?: boolean }): Promise<void> {
  const config = await operatorConfig('migration');
  const migrations = await bringUpToDate(config, createLogger('migrate', 'silent')).catch((error: unknown) => {
    if (error instanceof ConfigError) throw new Explained(error.message, EXIT_CONFIG);
    throw new Explained(`the database could not be brought up to date: ${reasonOf(error)}`);
  });
  if (json) return void process.stdout.write(`${JSON.stringify({ migrations })}\n`);
  for (const name of migrations) console.log(`ran ${name}`);
  console.log(
    migrations.length === 0 ? 'the schema was up to date already' : `the schema is up to date (${counted(migrations.length, 'migration')})`,
  );
}
