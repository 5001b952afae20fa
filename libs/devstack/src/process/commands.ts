import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a finished command said. `code` is 128 + signal number when a signal ended it, as in a shell. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a command. */
export interface CommandOptions {
  /** Killed with SIGKILL after this many milliseconds. */
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Run as this user; needs root. */
  readonly as?: { readonly uid: number; readonly gid: number } | undefined;
  /** Ends the command with SIGTERM. */
  readonly cancelled?: AbortSignal;
  /** Called with each chunk of stdout and stderr, for progress lines. */
  readonly onOutput?: (chunk: string) => void;
  /** How much of the end of stdout, and of stderr, the result has. Default 200,000 characters. */
  readonly keptChars?: number;
}

const KEPT_OUTPUT_CHARS = 200_000;

/** Runs a command to its end with no stdin. @throws when it cannot be started or outlives its timeout, never for an exit code. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...options.as,
    });
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        output[stream] = (output[stream] + chunk).slice(-(options.keptChars ?? KEPT_OUTPUT_CHARS));
        options.onOutput?.(chunk);
      });
    }
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
      // What it started may go on, and hold its output open.
      for (const stream of ['stdout', 'stderr'] as const) child[stream].destroy();
    }, options.timeoutMs);
    const cancel = () => child.kill('SIGTERM');
    options.cancelled?.addEventListener('abort', cancel, { once: true });
    if (options.cancelled?.aborted === true) cancel();
    const settle = () => {
      clearTimeout(timer);
      options.cancelled?.removeEventListener('abort', cancel);
    };
    child.once('error', (error) => {
      settle();
      reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, signal) => {
      settle();
      if (timedOut) reject(new Error(`${command} ${args[0] ?? ''} did not finish within ${options.timeoutMs} ms\n${output.stderr}`));
      else resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 143), ...output });
    });
  });
}

/** Like {@link runCommand}. @throws also when the command fails, with what it said. */
export async function runOrThrow(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const result = await runCommand(command, args, options);
  if (result.code === 0) return result;
  throw new Error(`${command} ${args.join(' ')} ended with code ${result.code}\n${(result.stderr || result.stdout).trim().slice(-4_000)}`);
}

/** Folders that hold server programs but are missing from the PATH of many login shells. */
const SYSTEM_FOLDERS = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/sbin',
];

/** The full path of a program, or undefined when it is not installed. A name with a slash is only checked. */
export function findProgram(name: string): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter(Boolean).map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
