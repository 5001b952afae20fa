import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Config, ConfigError, EXIT_CONFIG, parseConfig, type SettingName, settings } from '#lib/runtime/config/config';
import { Explained } from './explain.js';
import { parleyHome } from './home.js';
import { refuseForeignHome } from './home-owner.js';
import { readState, type StackState } from './state.js';

/** The Parley that `npm start` runs from this checkout (or from PARLEY_HOME); undefined when there is none. */
export async function runningStack(): Promise<StackState | undefined> {
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const found = await readState(home);
  return found?.supervisor === undefined ? undefined : found.state;
}

/** What every command says that finds no Parley. */
export const NOT_RUNNING = 'Parley is not running: npm start';

/** A gateway to talk to, and the secret that it checks tokens with. */
export interface FoundParley {
  readonly url: string;
  readonly secret: string;
  readonly audience: string;
}

/** The gateway at `url`, else the one that `npm start` runs here. @throws Explained when there is none, or no secret to sign tokens with. */
export async function findParley(url: string | undefined): Promise<FoundParley> {
  if (url !== undefined && !URL.canParse(url)) throw new Explained(`--url ${url} is not a URL: for example http://localhost:8080`, 2);
  const stack = await runningStack();
  if (url === undefined && stack === undefined) {
    throw new Explained(`${NOT_RUNNING} (in another terminal, or with -- --detach); or name one with --url and AUTH_JWT_SECRET.`);
  }
  if (url === undefined && stack?.phase !== 'ready') {
    throw new Explained(`Parley is ${stack?.phase}: try again when \`npm run status\` says that everything is ready.`);
  }
  return { url: url ?? stack?.gatewayUrl ?? '', ...(await findSecret()) };
}

/** What tokens are signed with: of the environment, else of the running stack, else what `npm start` keeps. @throws Explained when there is none. */
export async function findSecret(): Promise<{ secret: string; audience: string }> {
  const { env } = await operatorEnvironment();
  const secret = env['AUTH_JWT_SECRET'] ?? (await keptSecret());
  if (secret === undefined) {
    throw new Explained(
      'no secret to sign with: set AUTH_JWT_SECRET to the one that the gateway has, or run `npm start` once, which makes one.',
    );
  }
  if (Buffer.byteLength(secret) < 32) throw new Explained('AUTH_JWT_SECRET must have at least 32 bytes', EXIT_CONFIG);
  return { secret, audience: env['AUTH_AUDIENCE'] ?? settings.AUTH_AUDIENCE.schema.parse(undefined) };
}

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
    if ((await runningStack()) === undefined && !CONNECTIONS.some((name) => isGiven(name))) throw new Explained(NOT_RUNNING);
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

async function keptSecret(): Promise<string | undefined> {
  const text = await readFile(parleyHome().secretsFile, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  return z.object({ jwtSecret: z.string() }).safeParse(JSON.parse(text)).data?.jwtSecret;
}
