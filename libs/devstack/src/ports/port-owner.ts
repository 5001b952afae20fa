import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** Who listens on a TCP port of this machine, such as `nginx (pid 812)`; undefined when we may not see it. */
export function portOwner(port: number): string | undefined {
  try {
    return process.platform === 'linux' ? ownerByProc(port) : ownerByLsof(port);
  } catch {
    return undefined; // a courtesy in an error message: never an error of its own
  }
}

function ownerByProc(port: number): string | undefined {
  const sockets = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningSockets(table, port)));
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (holdsOneOf(sockets, pid)) return `${programOf(pid)} (pid ${pid})`;
  }
  return undefined;
}

/** Node calls its main thread `MainThread`, which tells no operator anything: its program does. */
function programOf(pid: string): string {
  const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  return name === 'MainThread' ? basename(readlinkSync(`/proc/${pid}/exe`)) : name;
}

/** Columns of the kernel's table: number, local address:port in hexadecimal, remote, state (0A = listening), ..., inode in the tenth. */
function listeningSockets(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(table, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(suffix) === true && columns[3] === '0A')
    .map((columns) => `socket:[${columns[9] ?? ''}]`);
}

function holdsOneOf(sockets: ReadonlySet<string>, pid: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return false; // another user's process, or one that ended meanwhile
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function ownerByLsof(port: number): string | undefined {
  const fields = execFileSync('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], { encoding: 'utf8', timeout: 3_000 });
  const pid = /^p(\d+)$/m.exec(fields)?.[1];
  return pid === undefined ? undefined : `${/^c(.+)$/m.exec(fields)?.[1] ?? 'a process'} (pid ${pid})`;
}
