import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../project-root.js';
import { asPrivateServer, ServerProcess, type PrivateServer } from '../process/server-process.js';

/** Where and how a private Chroma runs. */
export interface ChromaOptions {
  /** Folder of its own: the database files. Made when missing, readable by its owner only. */
  readonly folder: string;
  readonly port: number;
  readonly logFile: string;
  /** Says who the running server is; see `fromPidFile`. */
  readonly pidFile: string;
  /** Gives up a start that is under way. */
  readonly cancelled?: AbortSignal | undefined;
}

/** The command-line program of the `chromadb` package; its server is a native binding of the same package. */
export const chromaProgram: string = join(projectRoot, 'node_modules', 'chromadb', 'dist', 'cli.mjs');

/**
 * Starts the Chroma server that comes with the npm package. It has no password (its 1.x server knows none), so it listens on the loopback
 * address only, and no setting of the environment it inherits may open it to the pages of a browser on this machine.
 */
export async function startChroma(options: ChromaOptions): Promise<PrivateServer> {
  await mkdir(options.folder, { recursive: true });
  await chmod(options.folder, 0o700);
  const url = `http://127.0.0.1:${options.port}`;
  const server = new ServerProcess({
    name: 'chroma',
    command: process.execPath,
    args: [chromaProgram, 'run', '--path', join(options.folder, 'data'), '--host', '127.0.0.1', '--port', String(options.port)],
    env: { ...withoutChromaSettings(process.env), ANONYMIZED_TELEMETRY: 'False' },
    cwd: options.folder,
    logFile: options.logFile,
    pidFile: options.pidFile,
    cancelled: options.cancelled,
    stopSignal: 'SIGTERM',
    stopWithinMs: 10_000,
    readyWithinMs: 30_000,
    probe: async (signal) => {
      const answer = await fetch(`${url}/api/v2/heartbeat`, { signal });
      if (!answer.ok) throw new Error(`heartbeat answered ${answer.status}`);
    },
  });
  await server.start();
  return asPrivateServer('chroma', url, options.logFile, server);
}

/** `CHROMA_CORS_ALLOW_ORIGINS`, `CHROMA_LISTEN_ADDRESS`, `CHROMA_ALLOW_RESET` and the like. */
const withoutChromaSettings = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^chroma_/i.test(name)));
