import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { type PrivateStack, startPrivateStack } from '#lib/devstack/private-stack';

/** Servers that keep something on a disk. */
export const serversWithDisk = ['postgres', 'rabbitmq', 'chroma'] as const;
export type ServerWithDisk = (typeof serversWithDisk)[number];

/** Enough for what the tests store, and full within a second. RabbitMQ refuses publishers below 50 MB. */
const SIZE_MIB: Readonly<Record<ServerWithDisk, number>> = { postgres: 256, rabbitmq: 192, chroma: 96 };
const BLOCK = Buffer.alloc(1_048_576);
const COMMAND_MS = 10_000;

/** Why this machine cannot have small disks; undefined when it can. */
export const cannotMount = (): string | undefined => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'where tmpfs can be mounted (Linux, root)';
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { timeout: COMMAND_MS, stdio: 'ignore' });
    return undefined;
  } catch {
    return 'where tmpfs can be mounted (this container may not)';
  }
};

/** Servers whose data folders are disks of their own (tmpfs), each of which can be filled. */
export class SmallDisks {
  private constructor(
    readonly stack: PrivateStack,
    private readonly folder: string,
  ) {}

  static async start(): Promise<SmallDisks> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-disks-'));
    await chmod(folder, 0o711);
    const stack = await startPrivateStack({ folder });
    const disks = new SmallDisks(stack, folder);
    for (const server of serversWithDisk) await disks.move(server);
    return disks;
  }

  /** Leaves no byte free. What Postgres wants next is a new file of its log, without which it cannot go on. @returns makes room, and starts the server if it ended. */
  async fill(server: ServerWithDisk): Promise<() => Promise<void>> {
    const filler = join(this.folder, server, 'filler');
    const file = await open(filler, 'w');
    try {
      for (let size = BLOCK.length; size > 512; ) {
        const isFull = await file.write(BLOCK, 0, size).then(
          ({ bytesWritten }) => bytesWritten < size,
          () => true,
        );
        if (isFull) size = Math.floor(size / 2);
      }
    } finally {
      await file.close();
    }
    if (server === 'postgres') await this.wantLog();
    return async () => {
      await rm(filler);
      const process = this.stack[server];
      // Chroma goes on to refuse what it should store, until it is started again.
      if (process.pid === undefined || server === 'chroma') await process.restart();
    };
  }

  /** Ends the servers and gives the disks back. */
  async stop(): Promise<void> {
    for (const server of serversWithDisk) await this.stack[server].kill();
    await this.stack.redis.kill();
    await this.stack.stop().catch(() => undefined); // they have ended
    for (const server of serversWithDisk) execFileSync('umount', ['--lazy', join(this.folder, server)], { timeout: COMMAND_MS });
    await rm(this.folder, { recursive: true, force: true });
  }

  private async move(server: ServerWithDisk): Promise<void> {
    const process = this.stack[server];
    const [place, before] = [join(this.folder, server), join(this.folder, `${server}.before`)];
    await process.stop();
    await rename(place, before);
    const { uid, gid, mode } = await stat(before);
    await mkdir(place);
    const options = `size=${SIZE_MIB[server]}m,uid=${uid},gid=${gid},mode=${(mode & 0o777).toString(8)}`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, `parley-${server}`, place], { timeout: COMMAND_MS });
    execFileSync('cp', ['-a', `${before}/.`, place], { timeout: 60_000 });
    await rm(before, { recursive: true });
    await process.start();
  }

  private async wantLog(): Promise<void> {
    const client = new Client({ connectionString: this.stack.databaseUrl, connectionTimeoutMillis: 2_000, query_timeout: 5_000 });
    client.on('error', () => undefined); // Postgres ends with it
    try {
      await client.connect();
      for (let segment = 0; segment < 10; segment += 1) {
        await client.query('select pg_logical_emit_message(true, $1, $2)', ['disk', 'full']);
        await client.query('select pg_switch_wal()');
      }
    } catch {
      // what was to be seen
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
