import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startChroma } from '../servers/chroma.js';
import { packageInstaller, type Progress } from '../provisioning/debian-packages.js';
import { ComposeProject, composeProjectOf, dockerAnswers } from '../provisioning/docker-engine.js';
import { startPostgres } from '../servers/postgres.js';
import { reachableFolder, unprivilegedUser } from '../process/unprivileged-user.js';
import { type DependencyName, dependencyNames, findServer } from '../provisioning/programs.js';
import { decideSources, installServers, refuseIfMissing, serverProgram, type Source, urlVariables } from '../provisioning/provisioning.js';
import { startRabbitmq } from '../servers/rabbitmq.js';
import { startRedis } from '../servers/redis.js';
import type { PrivateServer } from '../process/server-process.js';
import type { Home } from '../home/home.js';
import type { PortPlan } from '../ports/port-plan.js';
import type { Secrets } from '../home/secrets.js';
import type { Origin } from '../home/state.js';

/** One dependency as it will be reached; known before it is started. */
export interface PlannedDependency {
  readonly name: DependencyName;
  readonly origin: Origin;
  readonly url: string;
  /** RabbitMQ's management UI and API, where we know it; with user and password in it. */
  readonly managementUrl?: string | undefined;
}

/** Decides where each dependency comes from, installing programs where that is the way. @throws one message when something is missing. */
export async function provideDependencies(env: NodeJS.ProcessEnv, progress: Progress): Promise<ReadonlyMap<DependencyName, Origin>> {
  const once = <T>(ask: () => Promise<T>) => {
    let answer: Promise<T> | undefined;
    return () => (answer ??= ask());
  };
  const sources = await decideSources(dependencyNames, {
    urlOf: (name) => valueOf(env, urlVariables[name]),
    dockerAnswers: once(dockerAnswers),
    isInstalled: (name) => findServer(name) !== undefined,
    canInstallPackages: once(async () => (await packageInstaller()) !== undefined),
  });
  refuseIfMissing(sources);
  await installServers(sources, progress);
  return new Map([...sources].map(([name, source]) => [name, originOf(source)]));
}

/** The addresses of all dependencies, before any of them runs. */
export function planDependencies(
  origins: ReadonlyMap<DependencyName, Origin>,
  { env, ports, secrets }: { readonly env: NodeJS.ProcessEnv; readonly ports: PortPlan; readonly secrets: Secrets },
): PlannedDependency[] {
  const at = (name: string) => `127.0.0.1:${ports.get(name) ?? 0}`;
  const own: Record<DependencyName, string> = {
    postgres: `postgres://parley:${secrets.postgresPassword}@${at('postgres')}/parley`,
    rabbitmq: `amqp://parley:${secrets.rabbitmqPassword}@${at('rabbitmq')}/parley`,
    redis: `redis://:${secrets.redisPassword}@${at('redis')}`,
    chroma: `http://${at('chroma')}`,
  };
  return dependencyNames.map((name): PlannedDependency => {
    const origin = origins.get(name) ?? 'local';
    const given = valueOf(env, urlVariables[name]);
    const url = origin === 'env' && given !== undefined ? given : own[name];
    if (name !== 'rabbitmq') return { name, origin, url };
    const ownUi = `http://parley:${secrets.rabbitmqPassword}@${at('rabbitmq-management')}`;
    return { name, origin, url, managementUrl: origin === 'env' ? valueOf(env, 'RABBITMQ_MANAGEMENT_URL') : ownUi };
  });
}

/** Starts one private server of this home and resolves when it answers. @throws with the end of its log when it does not. */
export async function startPrivately(
  name: DependencyName,
  {
    home,
    ports,
    secrets,
    cancelled,
  }: { readonly home: Home; readonly ports: PortPlan; readonly secrets: Secrets; readonly cancelled: AbortSignal },
): Promise<PrivateServer> {
  await mkdir(home.dependencies, { recursive: true, mode: 0o711 }); // Postgres runs as another user when we are root
  const place = {
    folder: join(home.dependencies, name),
    logFile: join(home.logs, `${name}.log`),
    pidFile: join(home.dependencies, `${name}.pid`),
    cancelled,
  };
  const port = ports.get(name) ?? 0;
  switch (name) {
    case 'postgres': {
      const as = await unprivilegedUser();
      const folder = reachableFolder(place.folder, as);
      return startPostgres({ ...place, folder, port, password: secrets.postgresPassword, programs: serverProgram(name), as });
    }
    case 'rabbitmq':
      return startRabbitmq({
        ...place,
        port,
        managementPort: ports.get('rabbitmq-management') ?? 0,
        distributionPort: ports.get('rabbitmq-distribution') ?? 0,
        nameServerPort: ports.get('rabbitmq-names') ?? 0,
        password: secrets.rabbitmqPassword,
        program: serverProgram(name),
      });
    case 'redis':
      return startRedis({ ...place, port, password: secrets.redisPassword, program: serverProgram(name) });
    case 'chroma':
      return startChroma({ ...place, port });
  }
}

/** The containers of this home, for those dependencies that come from Docker. */
export function composeProject(home: Home, ports: PortPlan, secrets: Secrets): ComposeProject {
  const port = (name: string) => String(ports.get(name) ?? 0);
  return new ComposeProject(composeProjectOf(home.folder), {
    PARLEY_POSTGRES_PORT: port('postgres'),
    PARLEY_POSTGRES_PASSWORD: secrets.postgresPassword,
    PARLEY_RABBITMQ_PORT: port('rabbitmq'),
    PARLEY_RABBITMQ_MANAGEMENT_PORT: port('rabbitmq-management'),
    PARLEY_RABBITMQ_PASSWORD: secrets.rabbitmqPassword,
    PARLEY_REDIS_PORT: port('redis'),
    PARLEY_REDIS_PASSWORD: secrets.redisPassword,
    PARLEY_CHROMA_PORT: port('chroma'),
  });
}

/** A variable's value, or the content of the file that `<NAME>_FILE` points to; empty means not set, as for the services. */
export function valueOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = env[`${name}_FILE`];
  return env[name] || (file ? readFileSync(file, 'utf8').trim() : undefined) || undefined;
}

function originOf(source: Source): Origin {
  return source === 'env' || source === 'docker' ? source : 'local';
}
