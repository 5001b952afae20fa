import { ConfigError, EXIT_CONFIG, loadConfig } from '#lib/runtime/config/config';
import { createLogger } from '#lib/runtime/log/logger';
import { bringUpToDate } from '#lib/database/adapters/bring-up-to-date';

/** `main.js migrate`, the job before a rollout: one log line per migration. Exit code 0 done, 78 configuration, 1 anything else. */
export async function migrateAndExit(): Promise<never> {
  const config = loadConfig();
  const logger = createLogger('migrate', config.LOG_LEVEL);
  const exitCode = await bringUpToDate(config, logger).then(
    () => 0,
    (error: unknown) => {
      const isConfiguration = error instanceof ConfigError;
      logger.fatal(isConfiguration ? {} : { err: error }, isConfiguration ? error.message : 'the database could not be brought up to date');
      return isConfiguration ? EXIT_CONFIG : 1;
    },
  );
  logger.flush();
  process.exit(exitCode);
}
