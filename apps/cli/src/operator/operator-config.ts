import { readFile } from 'node:fs/promises';
import { notFound, runningStack } from '#lib/devstack/home/running-stack';
import { Explained } from '#lib/devstack/terminal/explain';
import { type Config, ConfigError, EXIT_CONFIG, parseConfig, type SettingName, settings } from '#lib/runtime/config/config';

/** Where a setting has its value from. */
export type SettingSource = 'environment' | 'npm start' | 'default';

/** Under whose logins a command works on a Parley that runs here: its own, which mostly looks, or those that may change the schema. */
type Logins = 'environment' | 'migration';

/** The settings that commands work with: what the environment says wins over what `npm start` gave its services. */
export async function operatorEnvironment(
  logins: Logins = 'environment',
): Promise<{ env: NodeJS.ProcessEnv; sourceOf: (name: SettingName) => SettingSource }> {
  const given = (await runningStack())?.[logins] ?? {};
  const own = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined && value !== ''));
  return {
    env: await withSecretFiles({ ...given, ...own }, own),
    sourceOf: (name) => {
      if (own[name] !== undefined || own[`${name}_FILE`] !== undefined) return 'environment';
      return given[name] === undefined ? 'default' : 'npm start';
    },
  };
}

/** The configuration that commands work with. @throws Explained, exit code 78, with every problem and the way out. */
export async function operatorConfig(logins: Logins = 'environment'): Promise<Config> {
  const { env } = await operatorEnvironment(logins);
  try {
    return parseConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Nothing here and nothing named: the answer is not a list of variables.
    if ((await runningStack()) === undefined && !CONNECTIONS.some((name) => isGiven(name))) throw new Explained(notFound());
    throw new Explained(error.message, EXIT_CONFIG);
  }
}

/** What an operator who means another Parley names at least one of. */
const CONNECTIONS: readonly SettingName[] = ['DATABASE_URL', 'RABBITMQ_URL', 'CHROMA_URL'];

const isGiven = (name: SettingName) => Boolean(process.env[name]) || Boolean(process.env[`${name}_FILE`]);

/** The caller's `<NAME>_FILE` wins too over what the running stack has. */
async function withSecretFiles(env: NodeJS.ProcessEnv, own: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const result = { ...env };
  for (const name of Object.keys(settings)) {
    const file = own[`${name}_FILE`];
    if (file === undefined || own[name] !== undefined) continue;
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) throw new Explained(`${name}_FILE: cannot read ${file}`, EXIT_CONFIG);
    result[name] = text.trim();
  }
  return result;
}
