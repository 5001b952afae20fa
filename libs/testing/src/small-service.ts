import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { projectRoot } from '#lib/devstack/project-root';

const program = join(projectRoot, 'dist/libs/testing/src/programs/small-service.js');

/** A line that the process logged. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly message: string };

/** A real process (and its workers) to mistreat: `programs/small-service.ts`. */
export class SmallService {
  readonly lines: LogLine[] = [];
  private readonly ended = Promise.withResolvers<number | NodeJS.Signals>();

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      this.lines.push(...parts.filter((part) => part.startsWith('{')).map((part) => JSON.parse(part) as LogLine));
    });
    child.once('close', (code, signal) => this.ended.resolve(code ?? signal ?? 1));
  }

  /** Starts it, ready or not. Needs a build; @throws without one. */
  static async begin(env: Readonly<Record<string, string>> = {}): Promise<SmallService> {
    if (!existsSync(program)) throw new Error('nothing is built: run `npm run build` first');
    const [port = 0] = await freePorts(1);
    const required = { DATABASE_URL: 'postgres://nowhere/parley', RABBITMQ_URL: 'amqp://nowhere', CHROMA_URL: 'http://nowhere' };
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], ...required, PORT: String(port), ...env },
      cwd: projectRoot,
    });
    return new SmallService(child, `http://127.0.0.1:${port}`);
  }

  /** Starts it and waits until `workers` different processes answer. */
  static async ready(env: Readonly<Record<string, string>> = {}, workers = 1): Promise<SmallService> {
    const service = await SmallService.begin(env);
    await eventually(
      async () => {
        const pids = await service.pids();
        if (pids.size < workers) throw new Error(`${pids.size} workers answer`);
      },
      { timeoutMs: 20_000, what: `${workers} workers that answer` },
    );
    return service;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Exit code, or the signal that ended it. */
  get exit(): Promise<number | NodeJS.Signals> {
    return this.ended.promise;
  }

  /** A new connection per request, so that each may reach another worker. */
  async get(path: string): Promise<{ status: number; body: string }> {
    const answer = await fetch(this.url + path, { headers: { connection: 'close' }, signal: AbortSignal.timeout(3_000) });
    return { status: answer.status, body: await answer.text() };
  }

  /** The processes that answer, asked a few times. */
  async pids(): Promise<Set<number>> {
    const answers = await Promise.all(Array.from({ length: 12 }, () => this.get('/pid')));
    return new Set(answers.map(({ body }) => (JSON.parse(body) as { pid: number }).pid));
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Ends it by force if it has not ended yet. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL'); // its workers end with their channel
    await this.exit;
  }
}
