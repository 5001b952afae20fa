import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { findProgram, runOrThrow } from '../process/commands.js';
import { asPrivateServer, ServerProcess, type PrivateServer } from '../process/server-process.js';

/** Where and how a private RabbitMQ runs. */
export interface RabbitmqOptions {
  /** The `rabbitmq-server` script itself, not Debian's wrapper of it, which insists on its own user and folders. */
  readonly program: string;
  /** Folder of its own: settings, data, cookie. Made when missing, readable by its owner only. */
  readonly folder: string;
  readonly port: number;
  readonly managementPort: number;
  /** For Erlang's own protocol between `rabbitmqctl` and the server. */
  readonly distributionPort: number;
  /** For the name server that belongs to this RabbitMQ alone. */
  readonly nameServerPort: number;
  readonly password: string;
  readonly logFile: string;
  /** Says who the running server is; see `fromPidFile`. */
  readonly pidFile: string;
  /** Gives up a start that is under way. */
  readonly cancelled?: AbortSignal | undefined;
}

/** A private RabbitMQ with its management plugin. */
export interface PrivateRabbitmq extends PrivateServer {
  /** Management UI and API, with user and password in the URL (take them out for `fetch`, which refuses them there). */
  readonly managementUrl: string;
  /** Runs `rabbitmqctl` against it, for example `['stop_app']`, and returns what it printed. @throws when the command fails. */
  rabbitmqctl(args: readonly string[]): Promise<string>;
}

const USER = 'parley';
const VHOST = 'parley';
const RABBITMQCTL_TIMEOUT_MS = 60_000;

/** Starts a RabbitMQ that shares nothing with one that the system runs: neither ports, cookie, name server nor settings. */
export async function startRabbitmq(options: RabbitmqOptions): Promise<PrivateRabbitmq> {
  await writeSettings(options);
  const env = environment(options);
  const server = new ServerProcess({
    name: 'rabbitmq',
    // The name server runs in the foreground of the same process group, so that it ends with the group: one that RabbitMQ
    // starts itself detaches and outlives it. 0.0.0.0 is not wanted for either.
    command: '/bin/sh',
    args: ['-c', '"$0" -port "$1" -address 127.0.0.1 & exec "$2"', nameServer(), String(options.nameServerPort), options.program],
    env,
    cwd: options.folder,
    logFile: options.logFile,
    pidFile: options.pidFile,
    cancelled: options.cancelled,
    stopSignal: 'SIGTERM',
    stopWithinMs: 20_000,
    readyWithinMs: 90_000,
    probe: (signal) => isAlive(options, signal),
  });
  await server.start();
  await refuseIfTooOld(options).catch(async (error: unknown) => {
    await server.stop();
    throw error;
  });
  const login = `${USER}:${options.password}@127.0.0.1`;
  const rabbitmq = asPrivateServer('rabbitmq', `amqp://${login}:${options.port}/${VHOST}`, options.logFile, server);
  return Object.assign(rabbitmq, {
    managementUrl: `http://${login}:${options.managementPort}`,
    rabbitmqctl: async (args: readonly string[]) =>
      (
        await runOrThrow(join(dirname(options.program), 'rabbitmqctl'), args, {
          timeoutMs: RABBITMQCTL_TIMEOUT_MS,
          env,
          cwd: options.folder,
        })
      ).stdout,
  });
}

async function writeSettings({ folder, port, managementPort, password }: RabbitmqOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  const settings = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${managementPort}`,
    `default_user = ${USER}`,
    `default_pass = ${password}`,
    'default_user_tags.administrator = true',
    `default_vhost = ${VHOST}`,
    'default_permissions.configure = .*',
    'default_permissions.read = .*',
    'default_permissions.write = .*',
    'log.console = true',
    'log.console.level = info',
    'log.console.use_colors = off', // it is a file
    'log.file = false',
    // The write-ahead log of quorum queues is kept in memory too: 64 MiB instead of 512 is enough for one machine.
    'raft.wal_max_size_bytes = 67108864',
    // As docker/rabbitmq/rabbitmq.conf: refused by the broker before a consumer has to take it into its memory.
    'max_message_size = 2097152',
  ];
  await writeFile(join(folder, 'rabbitmq.conf'), `${settings.join('\n')}\n`, { mode: 0o600 });
  await writeFile(join(folder, 'enabled_plugins'), '[rabbitmq_management].\n', { mode: 0o600 });
  // Read instead of /etc/rabbitmq/rabbitmq-env.conf, which belongs to the system's own RabbitMQ.
  await writeFile(join(folder, 'rabbitmq-env.conf'), '', { mode: 0o600 });
}

/**
 * How RabbitMQ is told where its folder is. Its start scripts and its logger stumble over spaces, quotes and letters outside ASCII, so on
 * Linux such a folder goes by the name that each process has for its working directory.
 */
function folderFor({ folder }: RabbitmqOptions): string {
  return process.platform === 'linux' && /[^\w./-]/.test(folder) ? '/proc/self/cwd' : folder;
}

function environment(options: RabbitmqOptions): NodeJS.ProcessEnv {
  const { distributionPort, nameServerPort } = options;
  const folder = folderFor(options);
  // Names that a RabbitMQ or systemd above us may have left in the environment must not reach ours.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET)/.test(name));
  return {
    ...Object.fromEntries(inherited),
    HOME: folder,
    ERL_EPMD_PORT: String(nameServerPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    // Makes the start script replace itself with the server, so that our signals reach the server and its pid is ours.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: 'parley@localhost',
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'advanced.config'),
    RABBITMQ_CONFIG_FILES: join(folder, 'conf.d'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, 'config'),
    // Two scheduler threads that sleep when there is nothing to do and are not tied to a core that another server uses too.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +SDio 8 +A 16 -kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_SCHEDULER_BIND_TYPE: 'u',
    RABBITMQ_CTL_ERL_ARGS: '-dist_listen false +S 1:1',
  };
}

function nameServer(): string {
  const found = findProgram('epmd');
  if (found === undefined) throw new Error('epmd, which is part of Erlang and which RabbitMQ needs, is not on this machine');
  return found;
}

/** Dead-lettering that loses nothing (`x-dead-letter-strategy: at-least-once`) came with 3.10. */
async function refuseIfTooOld(options: RabbitmqOptions): Promise<void> {
  const answer = await askManagement(options, 'overview', AbortSignal.timeout(10_000));
  const { rabbitmq_version: version = '' } = (await answer.json()) as { rabbitmq_version?: string };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 3 || (major === 3 && minor >= 10)) return;
  throw new Error(
    `RabbitMQ ${version} (${options.program}) is too old, Parley needs 3.10 or newer: install one from https://www.rabbitmq.com/docs/download, start Docker, or set RABBITMQ_URL`,
  );
}

/** Management answers some 50 ms before clients are let in; a RabbitMQ that is told to stop in between takes 6 s over it. */
async function isAlive(options: RabbitmqOptions, signal: AbortSignal): Promise<void> {
  const answer = await askManagement(options, 'health/checks/local-alarms', signal);
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`management answered ${answer.status}`);
  await greet(options.port, signal);
}

function askManagement({ managementPort, password }: RabbitmqOptions, path: string, signal: AbortSignal): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}`;
  return fetch(`http://127.0.0.1:${managementPort}/api/${path}`, { headers: { authorization }, signal });
}

/** Opens an AMQP conversation and waits for the server's first word. */
function greet(port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', signal });
    socket.once('connect', () => socket.write('AMQP\0\0\t\x01'));
    socket.once('data', () => settle());
    socket.once('error', settle).once('close', () => settle(new Error('rabbitmq closed the connection')));
    function settle(error?: Error): void {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    }
  });
}
