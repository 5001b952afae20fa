import { chownSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { Explained } from '../terminal/explain.js';
import { type Answer, whoAnswers } from './ask-postgres.js';
import { type PostmasterFile, readPostmasterFile } from './postmaster-file.js';
import { type StoppablePostgres, stopPostgres } from './stop-postgres.js';

/** A Postgres that may have been left behind, and how to ask it who it is. */
export interface SuspectedOrphan extends StoppablePostgres {
  /** Of its database `postgres`, with the password; the port is taken from the file. */
  readonly url: string;
}

/** It recovers or shuts down. */
const SETTLED_WITHIN_MS = 60_000;
/** A start that has just begun listens within this time. */
const LISTENS_WITHIN_MS = 2_000;
const ASK_EVERY_MS = 50;
/** Clocks are set while machines boot. */
const BOOT_TOLERANCE_MS = 60_000;

/**
 * Ends the Postgres that a killed Parley left behind in this folder. Only a process that answers at the port of `postmaster.pid` with our password
 * as the one of this folder is told to end: the number in that file may be another program's by now.
 * @returns whether there was one. @throws Explained when it neither answers nor ends.
 */
export async function endOrphan(suspect: SuspectedOrphan): Promise<boolean> {
  const startedAt = performance.now();
  for (;;) {
    const file = readPostmasterFile(suspect.folder);
    if (file === undefined) return false;
    if (!isAlive(file.pid)) {
      // Postgres would clear up such a file itself, unless by then a thread of ours has that number: in a new container all numbers begin anew.
      await disown(suspect);
      return false;
    }
    const waitedMs = performance.now() - startedAt;
    const answer = await whoAnswers(withPort(suspect.url, file.port), suspect.folder);
    if (answer === 'ours') {
      await stopPostgres(suspect);
      return true;
    }
    if (isOfEarlierBoot(file) || (isNoPostmaster(answer) && waitedMs > LISTENS_WITHIN_MS)) {
      await disown(suspect);
      return false;
    }
    if (waitedMs > SETTLED_WITHIN_MS) throw new Explained(stuck(suspect.folder, file));
    await sleep(ASK_EVERY_MS);
  }
}

/** A Postgres listens at its port from before it recovers until it is gone. */
function isNoPostmaster(answer: Answer): boolean {
  return answer === 'nothing' || answer === 'other';
}

function isOfEarlierBoot({ startedAt }: PostmasterFile): boolean {
  return startedAt < Date.now() - uptime() * 1_000 - BOOT_TOLERANCE_MS;
}

/**
 * The number in the file is, or may become, another program's. It becomes that of a process of ours that has just ended, so that Postgres does not
 * take another one for itself; the rest stays, by which Postgres sees whether processes of its last run still use the memory they share.
 */
async function disown({ programs, folder, as }: SuspectedOrphan): Promise<void> {
  const path = join(folder, 'postmaster.pid');
  const [, ...rest] = readFileSync(path, 'utf8').split('\n');
  // In one step: Postgres does not start beside an empty one, which is what a full disk would leave.
  const draft = `${path}.new`;
  writeFileSync(draft, [await endedPid(programs.postgres), ...rest].join('\n'), { mode: 0o600 });
  if (as !== undefined) chownSync(draft, as.uid, as.gid);
  renameSync(draft, path);
}

function endedPid(program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['--version'], { stdio: 'ignore', windowsHide: true });
    child.once('error', reject);
    child.once('exit', () => resolve(child.pid ?? 0));
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function withPort(url: string, port: number): string {
  const changed = new URL(url);
  changed.port = String(port);
  return changed.href;
}

function stuck(folder: string, { pid, port, status }: PostmasterFile): string {
  return [
    `a Postgres of ${folder} (pid ${pid}, port ${port}, ${status || 'starting'}) neither answers nor ends.`,
    'End that process yourself and start again; is it frozen, or is its disk?',
  ].join('\n');
}
