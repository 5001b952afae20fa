import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withoutSettings } from '#lib/devstack/supervisor/service-environment';
import { containedIn } from './contained.js';
import { freshDatabase, freshVhost, type FreshPlace } from './databases.js';
import { mintToken, type TokenClaims } from '#lib/devstack/mint-token';
import { ParleyClient } from './parley-client.js';
import { watchOver } from '#lib/devstack/private-stack';
import { runOrThrow } from '#lib/devstack/process/commands';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { processes, type ServiceName } from '#lib/devstack/services';
import { projectRoot } from '#lib/devstack/project-root';
import { importRabbitmqUsers, rolePasswordsFor, withPostgresLogin, withRabbitmqLogin } from '#lib/devstack/servers/service-logins';
import { asPrivateServer, type PrivateServer } from '#lib/devstack/process/server-process';
import { serviceProcess } from '#lib/devstack/process/service-process';
import { SOCKET_PATH } from '#lib/contracts/socket';
import type { StackUrls } from './vitest-stack.js';

const serviceNames: readonly ServiceName[] = [...new Set(processes.services.map(({ app }) => app))];

/** What differs from the defaults in one test. */
export interface RunningParleyOptions {
  /** The servers to use. Database and virtual host inside them are new and dropped afterwards. */
  readonly stack: StackUrls;
  /** Settings for all processes beside URLs, ports and the token secret. Default: no limit per user, so that tests may hurry. */
  readonly env?: Readonly<Record<string, string>>;
  /** Leads the processes to a server by another way, such as a fault proxy. The test itself goes the direct way. */
  readonly via?: Readonly<Partial<Record<ConnectionVariable, (url: string) => string>>>;
  /** Uses these, which are prepared already and stay, instead of new ones. */
  readonly places?: { readonly database: FreshPlace; readonly vhost: FreshPlace & { readonly name: string } };
  /** Runs the processes as containers of the image: its user, a read-only root; see {@link containedIn}. Needs root. */
  readonly contained?: boolean;
  /** All apps in one process: none of the servers but Postgres. Default: whether the kind of test says so, see vitest.config.ts. */
  readonly embedded?: boolean;
  /** Services that run in a second process too, each with the settings that are its own. */
  readonly twice?: Readonly<Partial<Record<ServiceName, Readonly<Record<string, string>>>>>;
}

/** The settings that say where a server is. */
type ConnectionVariable = 'DATABASE_URL' | 'RABBITMQ_URL' | 'RABBITMQ_MANAGEMENT_URL' | 'REDIS_URL' | 'CHROMA_URL';

/** Whether tests of this kind run the embedded mode; those of one service among others are skipped then. */
export const isEmbedded = process.env['PARLEY_TEST_EMBEDDED'] === '1';

/** Parley as it runs in production: each app as a process of its own, from `dist`; embedded all of them are one and the same. */
export interface RunningParley extends Record<ServiceName, PrivateServer> {
  /** Of the gateway. */
  readonly url: string;
  /** The second processes of the services that were to run twice. */
  readonly seconds: Readonly<Partial<Record<ServiceName, PrivateServer>>>;
  readonly databaseUrl: string;
  /** Empty when it is embedded: there is none. */
  readonly rabbitmqUrl: string;
  /** Empty when it is embedded. */
  readonly chromaUrl: string;
  /** What the processes were given, under the logins of the operator's command line; for commands that operate this Parley. */
  readonly environment: NodeJS.ProcessEnv;
  client(user: string, scopes?: TokenClaims['scopes']): Promise<ParleyClient>;
  tokenOf(claims: TokenClaims): Promise<string>;
  /** All that a process has written, for what a test cannot see from outside. */
  logOf(service: ServiceName): Promise<string>;
  /** Ends all processes and drops what was theirs. */
  stop(): Promise<void>;
}

/** Migrates a new database and starts all services on free ports. @throws when one does not come up; then nothing is left running. */
export async function startParley(options: RunningParleyOptions): Promise<RunningParley> {
  const { stack, env = {}, via = {}, twice = {}, contained = false, places, embedded = isEmbedded } = options;
  refuseWithoutBuild();
  if (embedded) return startEmbedded(options);
  const [database, vhost] = places
    ? [places.database, places.vhost]
    : await Promise.all([freshDatabase(stack.databaseUrl, stack.template), freshVhost(stack)]);
  const folder = await mkdtemp(join(tmpdir(), 'parley-services-'));
  const watcher = watchOver(folder, true);
  const secret = randomBytes(32).toString('base64url');
  const secondNames = serviceNames.filter((name) => twice[name] !== undefined);
  const ports = await freePorts(serviceNames.length + secondNames.length);
  const shared = {
    METRICS_TARGETS: ports.map((port) => `http://127.0.0.1:${port}/metrics`).join(','),
    ...rerouted(environmentOf(stack, database, vhost), via),
    AUTH_JWT_SECRET: secret,
    OBJECT_STORE_URL: pathToFileURL(join(folder, 'objects')).href,
    ...env,
  };
  const environment = environmentFor('cli', shared);
  const through = contained ? await containedIn(join(folder, 'objects')) : [];
  const services = plannedServices(folder, shared, ports, through);
  const secondPorts = ports.slice(serviceNames.length);
  const seconds = Object.fromEntries(
    secondNames.map((name, i) => {
      const environment = environmentFor(name, { ...shared, ...twice[name] });
      return [name, plannedService({ name, folder, port: secondPorts[i] ?? 0, environment, through, suffix: '-2' })];
    }),
  );
  const all = [...Object.values(services), ...Object.values(seconds)];
  const stop = async () => {
    await Promise.all(all.map((server) => server.kill()));
    if (places === undefined) await Promise.all([database.drop(), vhost.drop()]);
    watcher.dismiss();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all([
      stack.template === undefined && places === undefined
        ? migrate({ ...shared, DB_ROLE_PASSWORDS: rolePasswordsFor(database.url) })
        : undefined,
      importRabbitmqUsers(stack.rabbitmqManagementUrl, vhost.name),
    ]);
    await Promise.all(all.map((server) => server.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  const tokenOf = (claims: TokenClaims) => mintToken(secret, claims);
  return {
    ...services,
    seconds,
    url: services.gateway.url,
    databaseUrl: database.url,
    rabbitmqUrl: vhost.url,
    chromaUrl: stack.chromaUrl,
    environment,
    tokenOf,
    client: async (user, scopes = []) => new ParleyClient(services.gateway.url, await tokenOf({ user, scopes })),
    logOf: (service) => readFile(services[service].logFile, 'utf8'),
    stop,
  };
}

/** The same in one process. @throws for what one process cannot do. */
async function startEmbedded({ stack, env = {}, via = {}, twice, contained, places }: RunningParleyOptions): Promise<RunningParley> {
  if (twice !== undefined || contained === true || places !== undefined)
    throw new Error('one process runs once, as itself, on a place of its own');
  const database = await freshDatabase(stack.databaseUrl, stack.template);
  const folder = await mkdtemp(join(tmpdir(), 'parley-embedded-'));
  const watcher = watchOver(folder, true);
  const secret = randomBytes(32).toString('base64url');
  const [port = 0, realtimePort = 0] = await freePorts(2);
  const environment = serviceEnvironment({
    DATABASE_URL: via.DATABASE_URL?.(database.url) ?? database.url,
    PORT: String(port),
    REALTIME_PORT: String(realtimePort),
    HOST: '127.0.0.1',
    RATE_LIMIT_PER_USER: '0',
    AUTH_JWT_SECRET: secret,
    OBJECT_STORE_URL: pathToFileURL(join(folder, 'objects')).href,
    ...consoleSettings(port, realtimePort),
    ...env,
  });
  const server = plannedService({ name: STANDALONE, folder, port, environment, through: [] });
  const stop = async () => {
    await server.kill();
    await database.drop();
    watcher.dismiss();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    if (stack.template === undefined)
      await migrate({ DATABASE_URL: database.url, RABBITMQ_URL: stack.rabbitmqUrl, CHROMA_URL: stack.chromaUrl });
    await server.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const tokenOf = (claims: TokenClaims) => mintToken(secret, claims);
  const realtime = { ...server, name: 'realtime', url: `http://127.0.0.1:${realtimePort}` };
  return {
    ...(Object.fromEntries(serviceNames.map((name) => [name, name === 'realtime' ? realtime : server])) as Record<
      ServiceName,
      PrivateServer
    >),
    seconds: {},
    url: server.url,
    databaseUrl: database.url,
    rabbitmqUrl: '',
    chromaUrl: '',
    environment,
    tokenOf,
    client: async (user, scopes = []) => new ParleyClient(server.url, await tokenOf({ user, scopes })),
    logOf: () => readFile(server.logFile, 'utf8'),
    stop,
  };
}

const STANDALONE = 'standalone';

function mainOf(service: ServiceName | typeof STANDALONE): string {
  return join(projectRoot, 'dist', 'apps', service, 'src', 'main.js');
}

async function migrate(shared: Readonly<Record<string, string>>): Promise<void> {
  const env = serviceEnvironment(shared);
  await runOrThrow(process.execPath, [mainOf('ops'), 'migrate'], { timeoutMs: 60_000, env, cwd: projectRoot });
}

function refuseWithoutBuild(): void {
  const missing = serviceNames.map(mainOf).find((path) => !existsSync(path));
  if (missing !== undefined) throw new Error(`${missing} is not there: run \`npm run build\` first (\`npm test\` does)`);
}

function rerouted(urls: Record<ConnectionVariable, string>, via: RunningParleyOptions['via'] = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(urls).map(([name, url]) => [name, via[name as ConnectionVariable]?.(url) ?? url]));
}

/** The settings of all processes on these servers, under the administrators' logins. */
export function environmentOf(stack: StackUrls, database: FreshPlace, vhost: FreshPlace) {
  return {
    DATABASE_URL: database.url,
    RABBITMQ_URL: vhost.url,
    RABBITMQ_MANAGEMENT_URL: stack.rabbitmqManagementUrl,
    REDIS_URL: stack.redisUrl,
    CHROMA_URL: stack.chromaUrl,
    HOST: '127.0.0.1',
    // One user of a test does the work of many.
    RATE_LIMIT_PER_USER: '0',
  };
}

/** Without the developer's own settings: those are for another Parley. */
export function serviceEnvironment(given: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(withoutSettings(process.env)).filter(([name]) => !name.startsWith('VITEST'));
  return { ...Object.fromEntries(inherited), NODE_ENV: 'production', ...given };
}

/** Each under its own logins, as in production: a missing grant is a failing journey. */
export function environmentFor(service: ServiceName | 'cli', shared: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { DATABASE_URL = '', RABBITMQ_URL = '', RABBITMQ_MANAGEMENT_URL = '' } = shared;
  return serviceEnvironment({
    ...shared,
    DATABASE_URL: withPostgresLogin(DATABASE_URL, service),
    RABBITMQ_URL: withRabbitmqLogin(RABBITMQ_URL, service),
    RABBITMQ_MANAGEMENT_URL: withRabbitmqLogin(RABBITMQ_MANAGEMENT_URL, 'monitor'),
  });
}

function plannedServices(
  folder: string,
  shared: Readonly<Record<string, string>>,
  ports: readonly number[],
  through: readonly string[],
): Record<ServiceName, PrivateServer> {
  const portOf = (name: ServiceName) => ports[serviceNames.indexOf(name)] ?? 0;
  const console = consoleSettings(portOf('gateway'), portOf('realtime'));
  const entries = serviceNames.map(
    (name, i) =>
      [
        name,
        plannedService({
          name,
          folder,
          port: ports[i] ?? 0,
          environment: { ...console, ...environmentFor(name, shared) },
          through,
        }),
      ] as const,
  );
  return Object.fromEntries(entries) as Record<ServiceName, PrivateServer>;
}

/** The console of this gateway finds and may use this `realtime`. */
const consoleSettings = (gatewayPort: number, realtimePort: number): Record<string, string> => ({
  CONSOLE_REALTIME_URL: `ws://127.0.0.1:${realtimePort}${SOCKET_PATH}`,
  CORS_ORIGINS: `http://127.0.0.1:${gatewayPort}`,
});

function plannedService({
  name,
  folder,
  port,
  environment,
  through,
  suffix = '',
}: {
  readonly name: ServiceName | typeof STANDALONE;
  readonly folder: string;
  readonly port: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly through: readonly string[];
  readonly suffix?: string;
}): PrivateServer {
  const url = `http://127.0.0.1:${port}`;
  const label = `${name}${suffix}`;
  const logFile = join(folder, `${label}.log`);
  const server = serviceProcess({
    name: label,
    app: name,
    url,
    entry: mainOf(name),
    env: { ...environment, PORT: String(port) },
    through,
    logFile,
    pidFile: join(folder, `${label}.pid`),
    stopWithinMs: 60_000, // longer than the longest drain, 55 s
    readyWithinMs: 60_000, // nine start at once, on the two cores of a test machine
  });
  return asPrivateServer(label, url, logFile, server);
}
